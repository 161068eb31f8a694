"""A model judged on a file has the figures that a race gives it on the same questions."""

import json
import shutil

import pytest

from squadron import judging, steps
from squadron.__main__ import main
from squadron.artifacts import read_json, read_record, read_table
from squadron.config import Contender, Data, Evaluate, Predict, Splits, Windows, to_json
from squadron.errors import InputError
from squadron.models import model_folder, trained_on, variants
from squadron.models.backbones import load_tokenizer
from squadron.scores.contender_result import ContenderResult
from tests import tiny_models

FIGURES = ("exact_match", "f1", "has_ans_exact_match", "no_ans_exact_match", "total", "answered")
INTERVALS = ("exact_match_low", "exact_match_high", "f1_low", "f1_high", "paragraphs", "titles")


def again(text):
    """The same questions in other paragraphs, so that no split shares any."""
    return [
        (question, f"{text} {context}", answer)
        for question, context, answer in (*tiny_models.EIGHT_QUESTIONS, *tiny_models.UNANSWERED)
    ]


@pytest.fixture(scope="module")
def race(tmp_path_factory):
    """A contender that went through the steps of a race: its data, model and evaluation."""
    folder = tmp_path_factory.mktemp("race")
    train = []
    for number in range(4):
        file = tiny_models.write_squad(
            folder / f"train{number}.json", again(f"Part {number}."), f"T{number}"
        )
        train.append(str(file))
    test = tiny_models.write_squad(folder / "test.json", again("The last part."), "Test")
    data = Data(tuple(train), (str(test),), splits=Splits(2, 2))
    steps.ingest(data=to_json(data), examples=folder / "examples")
    backbone = tiny_models.write_backbone(folder / "backbone")
    windows = Windows(max_length=48, stride=8, max_question_length=16)
    contender = Contender(
        "span",
        backbone=backbone,
        windows=windows,
        predict=Predict(n_best=5, max_answer_tokens=8, precision="fp32", batch_size=3),
    )
    entry = json.dumps({"backbone": backbone, "windows": json.loads(to_json(windows))})
    steps.featurize(entry=entry, examples=folder / "examples", windows=folder / "windows")
    module = variants.load_variant("span")
    examples = read_table(folder / "examples" / "train.parquet", schema="examples/1")
    record = trained_on.extend_record(trained_on.Record(), examples, examples["id"].to_pylist())
    model_folder.write_model(
        folder / "model",
        module.build(backbone, module.Options()),
        load_tokenizer(backbone),
        contender,
        made_from="m",
        record=record,
    )
    steps.predict(
        contender=to_json(contender),
        windows=folder / "windows",
        model=folder / "model",
        candidates=folder / "candidates",
    )
    steps.evaluate(
        settings=to_json(Evaluate()),
        contender=to_json(contender),
        examples=folder / "examples",
        candidates=folder / "candidates",
        evaluation=folder / "evaluation",
        figures_file=folder / "figures.json",
    )
    return folder


def run(capsys, *arguments):
    code = main(["evaluate", *map(str, arguments)])
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def judge(capsys, *arguments):
    code, shown, said = run(capsys, *arguments, "--json")
    assert code == 0, said
    return json.loads(shown)


def test_a_file_of_a_races_split_gives_the_figures_of_the_race(race, capsys, tmp_path):
    result = read_record(ContenderResult, race / "evaluation" / "metrics.json")
    expected = {name: result.splits["test"].flat()[name] for name in (*FIGURES, *INTERVALS)}
    answering = result.answering
    assert answering.null_threshold is not None
    # As it is registered, and as it stands among the results of its race.
    registered = shutil.copytree(race / "model", tmp_path / "registered")
    model_folder.write_answering(registered, answering, made_from="m")
    for folder in (registered, race / "model"):
        found = judge(capsys, folder, race / "test.json")
        assert {name: found["figures"][name] for name in expected} == expected
        assert found["warning"] == ""
        effect = found["null_thresholds"]
        assert effect["its own"]["value"] == answering.null_threshold
        assert effect["its own"]["figures"]["exact_match"] == expected["exact_match"]
        assert effect["none"]["figures"]["no_ans_exact_match"] == 0.0
        assert effect["best here"]["figures"]["exact_match"] >= expected["exact_match"]


def test_the_answers_are_the_races_and_what_score_reads(race, capsys, tmp_path):
    place = tmp_path / "answers"
    found = judge(capsys, race / "model", race / "test.json", "--output", place)
    for name in ("answers.json", "predictions.json", "null_odds.json"):
        folders = (place, race / "evaluation" / "test")
        ours, theirs = (json.loads((folder / name).read_text()) for folder in folders)
        assert ours == (pytest.approx(theirs, abs=1e-4) if name == "null_odds.json" else theirs)
    assert main(["score", str(race / "test.json"), str(place / "answers.json")]) == 0
    official = json.loads(capsys.readouterr().out)
    names = {"exact_match": "exact", "f1": "f1", "total": "total"}
    assert {name: found["figures"][name] for name in names} == {
        name: official[key] for name, key in names.items()
    }


def test_it_says_first_what_the_model_was_trained_on(race, capsys):
    record = read_json(race / "model" / "trained_on.json", schema="trained_on/1")
    own = {title.split()[0] for title in record["titles"]}
    file = race / f"train{sorted(own)[0][1:]}.json"
    _, shown, _ = run(capsys, race / "model", file)
    first = shown.splitlines()[0]
    assert first.startswith("Warning: the model was trained on ")
    assert " of the 2 titles of " in first
    seen = judging.find_seen(race / "model", judging.read_file(file, "squad")[0])
    assert seen.titles
    assert seen.questions == seen.questions_of_titles == 5 * len(seen.titles)
    # Another file with one of the titles: other questions, which it has not been asked.
    other = tiny_models.write_squad(race / "other.json", again("Once more."), "Other")
    text = other.read_text().replace("Other left", seen.titles[0].upper())
    other.write_text(text)
    seen = judging.find_seen(race / "model", judging.read_file(other, "squad")[0])
    assert (len(seen.titles), seen.questions_of_titles, seen.questions) == (1, 5, 0)


def test_it_says_that_nobody_knows_what_the_model_was_trained_on(race, capsys, tmp_path):
    folder = shutil.copytree(race / "model", tmp_path / "model")
    trained_on.write_record(folder, trained_on.UNKNOWN, made_from="m")
    about = json.loads((folder / "variant.json").read_text())
    del about["files"]["trained_on.json"]
    (folder / "variant.json").write_text(json.dumps(about))
    _, shown, _ = run(capsys, folder, race / "test.json")
    assert shown.startswith("Warning: it is unknown what the model was trained on.")


def test_lines_fit_a_terminal_and_name_what_was_left_out(race, capsys):
    content = json.loads((race / "test.json").read_text())
    content["data"][0]["paragraphs"][0]["qas"][0]["answers"][0]["text"] = "nowhere"
    file = race / "spoilt.json"
    file.write_text(json.dumps(content))
    code, shown, _ = run(capsys, race / "model", file)
    assert code == 0
    assert "Left out:" in shown
    assert "answer not in the context" in shown
    for word in ("Exact match:", "F1:", "Null threshold", "Seconds:", "9 of 2 titles"):
        assert word in shown
    lines = [line for line in shown.splitlines() if str(race) not in line]
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize(
    ("model", "data", "words"),
    [
        ("model", "none.json", ["none.json", "No such file"]),
        ("model", "empty.json", ["no question that can be judged"]),
        ("backbone", "test.json", ["variant.json", "folder `model`"]),
        ("nowhere/model", "test.json", ["does not exist", "models:/NAME@ALIAS"]),
    ],
)
def test_what_can_not_be_judged_is_one_sentence_and_leaves_nothing(
    race, capsys, monkeypatch, tmp_path, model, data, words
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (race / "empty.json").write_text('{"data": []}')
    code, shown, said = run(capsys, race / model, race / data, "--output", "out")
    assert (code, shown) == (2, "")
    assert len(said.strip().splitlines()) == 1
    for word in words:
        assert word in said
    assert list(tmp_path.iterdir()) == []


def test_answers_go_to_no_place_that_holds_others(race, capsys, tmp_path):
    place = tmp_path / "out"
    place.mkdir()
    (place / "mine.txt").write_text("mine")
    code, shown, said = run(capsys, race / "model", race / "test.json", "--output", place)
    assert code == 2
    assert "Exact match:" in shown
    assert str(place) in said
    assert [path.name for path in place.iterdir()] == ["mine.txt"]


def test_a_file_without_a_question_is_refused(tmp_path):
    file = tmp_path / "empty.json"
    file.write_text('{"data": []}')
    with pytest.raises(InputError, match="it is empty"):
        judging.read_file(file, "squad")
