"""What models say that they were trained on, and who is refused for it; real tiny models."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from squadron import steps
from squadron.artifacts import read_table, write_json
from squadron.config import Contender, Data, Splits, Train, TrainedOn, Windows, digest, to_json
from squadron.errors import InputError
from squadron.models import scratch, trained_on
from tests import tiny_models

pytestmark = pytest.mark.slow  # Most tests train a model.

ROOT = Path(__file__).resolve().parents[3]
CORPUS = ROOT / "examples" / "corpus.json"
FINANCE = ROOT / "examples" / "finance_faq.csv"
WINDOWS = Windows(max_length=128, stride=32, max_question_length=32)
FEW = {"max_tune_examples": 4, "max_select_examples": 20, "max_test_examples": 20}
UNDECLARED = TrainedOn()
BY_TITLE = Data((str(CORPUS),), splits=Splits(2, 2, 2), max_train_examples=24, **FEW)
BY_QUESTION = Data(
    (str(FINANCE),),
    source="table",
    split_by="question",
    splits=Splits(4, 5, 9),
    max_train_examples=10,
)


def prepare(root, data, backbone, declared=UNDECLARED):
    """ingest, admit and featurize for one contender."""
    steps.ingest(data=to_json(data), examples=root / "examples")
    entry = {"backbone": backbone, "windows": dataclasses.asdict(WINDOWS)}
    own = {"trained_on": dataclasses.asdict(declared), "frozen_layers": 0}
    runner = {"label": "one", **entry, **own}
    folders = {"examples": root / "examples", "windows": root / "windows"}
    steps.admit(contenders=json.dumps([runner]), examples=root / "examples")
    steps.featurize(entry=json.dumps(entry), **folders)
    return folders


def race(root, data, backbone, variant="span", declared=UNDECLARED, **train):
    """The model folder of one contender."""
    folders = prepare(root, data, backbone, declared)
    settings = Train(epochs=1, batch_size=8, precision="fp32", **train)
    contender = Contender(
        variant, "one", backbone, windows=WINDOWS, train=settings, trained_on=declared
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(steps.CHECKPOINTS_VARIABLE, str(root / "checkpoints"))
        steps.train(contender=to_json(contender), **folders, model=root / "model")
    return root / "model"


def refusal(root, data, backbone, capsys, declared=UNDECLARED):
    """The sentence of a race that is refused; its exit code is 2 and nothing was cut."""
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        prepare(root, data, backbone, declared)
    assert stop.value.code == 2
    assert not (root / "windows").exists()
    lines = capsys.readouterr().err.splitlines()
    (reason,) = [line for line in lines if line.startswith("admit: ")]
    return reason.removeprefix("admit: ")


def rows(root, split):
    return read_table(root / "examples" / f"{split}.parquet", schema="examples/1").to_pylist()


def titles(root, split):
    return {row["title"] for row in rows(root, split)}


def other_seed(root, data, seeds):
    """The data with the first of the seeds that puts a trained title or question into select."""
    unit = "title" if data.split_by == "title" else "id"
    trained = {row[unit] for row in rows(root, "train")}
    for seed in seeds:
        changed = dataclasses.replace(data, seed=seed)
        place = root / f"seed-{seed}"
        steps.ingest(data=to_json(changed), examples=place / "examples")
        if trained & {row[unit] for row in rows(place, "select")}:
            return changed, sorted(trained & {row[unit] for row in rows(place, "select")})
    raise AssertionError("no seed moves anything")


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return tiny_models.write_backbone(tmp_path_factory.mktemp("tiny") / "backbone", head=False)


@pytest.fixture(scope="module")
def foreign(tmp_path_factory):
    """A model of elsewhere that answers questions."""
    return tiny_models.write_backbone(tmp_path_factory.mktemp("tiny") / "foreign")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, backbone):
    """The folder of a race by title; its model is in `model`."""
    root = tmp_path_factory.mktemp("by_title")
    race(root, BY_TITLE, backbone)
    return root


@pytest.fixture(scope="module")
def taught(tmp_path_factory, backbone):
    """The folder of a race by question."""
    root = tmp_path_factory.mktemp("by_question")
    race(root, BY_QUESTION, backbone)
    return root


def test_a_model_says_what_it_was_trained_on_and_nothing_else(trained):
    record = trained_on.read_record(str(trained / "model"))
    assert record.titles == titles(trained, "train")
    assert len(record.questions) == 24
    for split in ("tune", "select", "test"):
        assert not record.titles & titles(trained, split)
    assert record.is_whole
    assert trained_on.FILE in json.loads((trained / "model" / "variant.json").read_text())["files"]


def test_only_the_first_questions_count_where_only_they_train(trained, backbone, tmp_path):
    model = race(tmp_path, BY_TITLE, backbone, max_examples=3)
    first = rows(trained, "train")[:3]
    record = trained_on.read_record(str(model))
    assert record.titles == {row["title"] for row in first}
    assert record.questions == {digest(row["id"], row["question"]) for row in first}


def test_the_same_splits_again_are_allowed_and_the_record_is_handed_on(trained, tmp_path):
    before = trained_on.read_record(str(trained / "model"))
    data = dataclasses.replace(BY_TITLE, max_train_examples=48)
    for variant in ("pretrained", "champion"):
        untrained = race(tmp_path / variant, data, str(trained / "model"), variant)
        assert trained_on.read_record(str(untrained)) == before
    model = race(tmp_path / "span", data, str(trained / "model"))
    after = trained_on.read_record(str(model))
    assert after.questions > before.questions
    assert after.titles >= before.titles | titles(tmp_path / "span", "train")


def test_a_title_that_was_trained_on_and_is_now_judged_is_refused(trained, tmp_path, capsys):
    data, moved = other_seed(trained, BY_TITLE, range(14, 60))
    model = str(trained / "model")
    reason = refusal(tmp_path, data, model, capsys)
    assert reason.startswith(
        f"The contender 'one' stands on {model!r}, which was trained on the ti"
    )
    named = {
        title: split
        for split in ("test", "select", "tune")
        for title in titles(tmp_path, split) & titles(trained, "train")
    }
    assert set(moved) <= set(named)
    first = sorted(named)[0]
    more = f" and {len(named) - 1} more" if len(named) > 1 else ""
    assert reason.endswith(
        f"the title {first!r}{more} of this race's {named[first]} split; only titles that it has "
        "not seen may judge it. Keep the data, splits and seed that it was trained with, or leave "
        "the contender out"
    )


@pytest.mark.slow
def test_by_question_titles_are_shared_and_questions_are_not(taught, tmp_path, capsys):
    model = str(taught / "model")
    prepare(tmp_path / "again", BY_QUESTION, model)
    data, _ = other_seed(taught, BY_QUESTION, range(14, 60))
    reason = refusal(tmp_path / "moved", data, model, capsys)
    assert "was trained on the question '" in reason
    assert "only questions that it has not seen may judge it" in reason


def test_a_model_trained_by_title_is_refused_by_its_questions_in_a_race_by_question(
    trained, tmp_path, capsys
):
    splits = Splits(0.2, 0.2, 0.2)
    data = dataclasses.replace(
        BY_TITLE, split_by="question", splits=splits, seed=14, max_select_examples=0
    )
    reason = refusal(tmp_path, data, str(trained / "model"), capsys)
    assert "was trained on the question '" in reason


def test_a_test_set_of_its_own_may_share_titles_with_what_the_race_trains_on(
    backbone, tmp_path, capsys
):
    content = json.loads(CORPUS.read_text())
    given = {**content, "data": [dict(article) for article in content["data"]]}
    for article in content["data"]:
        article["paragraphs"], last = article["paragraphs"][:-1], article["paragraphs"][-1:]
        next(a for a in given["data"] if a["title"] == article["title"])["paragraphs"] = last
    for name, part in (("train", content), ("test", given)):
        (tmp_path / f"{name}.json").write_text(json.dumps(part))
    data = dataclasses.replace(
        BY_TITLE,
        train=(str(tmp_path / "train.json"),),
        test=(str(tmp_path / "test.json"),),
        max_train_examples=40,
    )
    model = str(race(tmp_path / "first", data, backbone))
    assert titles(tmp_path / "first", "test") & titles(tmp_path / "first", "train")
    prepare(tmp_path / "second", data, model)
    # With the same test set, the model has an advantage if the race trains on only a few titles.
    data = dataclasses.replace(data, max_train_examples=2)
    assert "of this race's test split" in refusal(tmp_path / "third", data, model, capsys)


def test_what_an_older_model_was_trained_on_is_not_known_and_a_line_says_so(
    trained, tmp_path, capsys
):
    old = tmp_path / "old"
    shutil.copytree(trained / "model", old)
    (old / trained_on.FILE).unlink()
    assert trained_on.read_record(str(old)) == trained_on.UNKNOWN
    prepare(tmp_path / "race", BY_TITLE, str(old))
    line = f"admit      one is trained on unknown data: nobody recorded what {old} has seen"
    assert line in capsys.readouterr().err
    model = race(tmp_path / "next", BY_TITLE, str(old))
    assert not trained_on.read_record(str(model)).is_whole


def test_a_plain_encoder_of_elsewhere_has_seen_no_questions(backbone, tmp_path):
    kept = tmp_path / "scratch"
    scratch.write_backbone(kept, ["Who built it? The tower was built in 1906."] * 2, "words", 32)
    for name in (backbone, "all-MiniLM-L6-v2", str(kept)):
        assert trained_on.read_record(name) == trained_on.Record()


def test_what_a_model_of_elsewhere_with_a_qa_head_was_trained_on_is_unknown(foreign, tmp_path):
    assert trained_on.read_record(foreign) == trained_on.UNKNOWN
    # If the config names no architecture, the names of the weights decide.
    bare = tmp_path / "bare"
    shutil.copytree(foreign, bare)
    config = json.loads((bare / "config.json").read_text())
    assert config.pop("architectures") == ["BertForQuestionAnswering"]
    (bare / "config.json").write_text(json.dumps(config))
    assert trained_on.read_record(str(bare)) == trained_on.UNKNOWN
    # If the weights have other names, the architecture decides.
    (bare / "config.json").write_text(
        json.dumps({**config, "architectures": ["XLNetForQuestionAnsweringSimple"]})
    )
    (bare / "model.safetensors").unlink()
    assert trained_on.read_record(str(bare)) == trained_on.UNKNOWN


@pytest.mark.slow
def test_a_hub_name_is_judged_by_its_config(foreign, backbone, tmp_path):
    """The hub's cache on this machine, laid out as huggingface_hub lays it out."""
    for name, folder in (("answering", foreign), ("encoder", backbone)):
        cached = tmp_path / "hub" / f"models--org--{name}"
        shutil.copytree(folder, cached / "snapshots" / "abc")
        (cached / "refs").mkdir()
        (cached / "refs" / "main").write_text("abc")
    code = """
from squadron.models import trained_on
from squadron.config import TrainedOn
from squadron.errors import InputError
assert trained_on.read_record("org/answering") == trained_on.UNKNOWN
assert trained_on.read_record("org/answering@abc") == trained_on.UNKNOWN
assert trained_on.read_record("org/answering", TrainedOn(nothing=True)).is_whole
assert trained_on.read_record("org/encoder") == trained_on.Record()
try:
    trained_on.read_record("org/none")
except InputError as error:
    assert "'org/none' can't be loaded" in str(error), error
else:
    raise AssertionError("a name that leads nowhere is no plain encoder")
"""
    away = {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path / "hub")}
    subprocess.run([sys.executable, "-c", code], env={**os.environ, **away}, check=True)


def test_a_race_from_a_foreign_model_says_that_its_training_data_is_unknown(
    foreign, tmp_path, capsys
):
    model = race(tmp_path, BY_TITLE, foreign)
    line = f"admit      one is trained on unknown data: nobody recorded what {foreign} has seen"
    assert line in capsys.readouterr().err
    record = trained_on.read_record(str(model))
    assert (record.is_whole, record.standing) == (False, "unknown")
    assert record.titles == titles(tmp_path, "train")


def test_a_declaration_makes_the_unknown_known_and_is_handed_on(foreign, tmp_path, capsys):
    model = race(tmp_path, BY_TITLE, foreign, declared=TrainedOn(nothing=True))
    assert "unknown data" not in capsys.readouterr().err
    record = trained_on.read_record(str(model))
    said = f"as declared: {foreign} on nothing of the data of its race"
    assert (record.is_whole, record.standing) == (True, said)
    assert record.titles == titles(tmp_path, "train")


def test_a_declared_title_or_file_is_refused_where_it_is_judged(foreign, tmp_path, capsys):
    steps.ingest(data=to_json(BY_TITLE), examples=tmp_path / "examples")
    tested = sorted(titles(tmp_path, "test"))
    trains = sorted(titles(tmp_path, "train"))
    declared = TrainedOn(titles=(tested[0].upper(),))
    reason = refusal(tmp_path / "titles", BY_TITLE, foreign, capsys, declared)
    assert f"was trained on the title {tested[0]!r} of this race's test split" in reason
    reason = refusal(tmp_path / "files", BY_TITLE, foreign, capsys, TrainedOn(files=(str(CORPUS),)))
    assert "which was trained on the title" in reason
    by_question = dataclasses.replace(BY_TITLE, split_by="question", splits=Splits(0.2, 0.2, 0.2))
    reason = refusal(
        tmp_path / "questions", by_question, foreign, capsys, TrainedOn(files=(str(CORPUS),))
    )
    assert "which was trained on the question" in reason
    prepare(tmp_path / "fair", BY_TITLE, foreign, TrainedOn(titles=(trains[0],)))


def test_a_declaration_takes_nothing_from_what_is_known(trained, backbone):
    model = str(trained / "model")
    known = trained_on.read_record(model)
    assert trained_on.read_record(model, TrainedOn(nothing=True)) == known
    more = trained_on.read_record(model, TrainedOn(titles=("Elsewhere",)))
    assert more.titles == known.titles | {"Elsewhere"}
    assert (more.questions, more.is_whole) == (known.questions, True)
    plain = trained_on.read_record(backbone, TrainedOn(files=(str(CORPUS),)))
    assert plain.titles >= known.titles
    assert plain.standing == f"as declared: {backbone} on {CORPUS}"


def test_without_titles_the_context_stands_for_one():
    examples = tiny_models.make_examples(tiny_models.EIGHT_QUESTIONS)
    bare = examples.set_column(1, "title", [[""] * 8])
    library, river = bare.slice(0, 2), bare.slice(2, 2)
    record = trained_on.extend_record(trained_on.Record(), library, ["q0"])
    assert record.titles == {f"context {digest(tiny_models.LIBRARY)}"}
    fair = trained_on.Fairness(bare.slice(4), {"select": river}, "title")
    fair.check("one", "m", record)
    unfair = trained_on.Fairness(bare.slice(4), {"select": bare.slice(1, 1)}, "title")
    with pytest.raises(InputError, match="trained on the title 'context "):
        unfair.check("one", "m", record)


def test_an_id_used_for_another_question_is_another_question():
    examples = tiny_models.make_examples(tiny_models.EIGHT_QUESTIONS)
    record = trained_on.extend_record(trained_on.Record(), examples, ["q0"])
    renamed = examples.slice(1, 1).set_column(0, "id", [["q0"]])
    trained_on.Fairness(examples.slice(4), {"test": renamed}, "question").check("a", "b", record)
    same = trained_on.Fairness(examples.slice(4), {"test": examples.slice(0, 1)}, "question")
    with pytest.raises(InputError, match="trained on the question 'q0' of this race's test split"):
        same.check("a", "b", record)


def test_a_title_in_another_spelling_is_the_same_title():
    examples = tiny_models.make_examples(tiny_models.EIGHT_QUESTIONS)
    other = examples.set_column(1, "title", [["Spain"] * 8])
    record = trained_on.Record(frozenset({" PORTUGAL\u00a0"}))
    unfair = trained_on.Fairness(other.slice(4), {"select": examples.slice(0, 1)}, "title")
    with pytest.raises(InputError, match="trained on the title 'Portugal' of this race's select"):
        unfair.check("a", "b", record)
    spelled = examples.set_column(1, "title", [["portugal"] * 8])
    fair = trained_on.Fairness(spelled.slice(4), {"select": examples.slice(0, 1)}, "title")
    fair.check("a", "b", record)


def test_a_question_that_the_race_trains_on_too_counts_against_nobody():
    examples = tiny_models.make_examples(tiny_models.EIGHT_QUESTIONS)
    record = trained_on.extend_record(trained_on.Record(), examples, ["q0"])
    judged = {"test": examples.slice(0, 2)}
    for split_by in ("title", "question"):
        trained_on.Fairness(examples.slice(0, 1), judged, split_by).check("a", "b", record)
    with pytest.raises(InputError):
        trained_on.Fairness(examples.slice(1, 1), judged, "question").check("a", "b", record)


def test_what_is_trained_from_a_model_has_seen_what_the_model_has():
    examples = tiny_models.make_examples(tiny_models.EIGHT_QUESTIONS)
    before = trained_on.Record(frozenset({"Spain"}), frozenset({"a"}), is_whole=False)
    after = trained_on.extend_record(before, examples, ["q3"])
    asked = digest("q3", examples["question"][3].as_py())
    assert after == trained_on.Record(
        frozenset({"Spain", "Portugal"}), frozenset({"a", asked}), is_whole=False
    )


def test_a_record_of_another_schema_is_refused(trained, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(trained / "model", old)
    write_json(old / trained_on.FILE, {}, schema="trained_on/9", made_from="")
    with pytest.raises(InputError, match="has schema 'trained_on/9'"):
        trained_on.read_record(str(old))
