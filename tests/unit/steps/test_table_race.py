"""Question/answer pairs through the steps: split by question, few negatives, a chosen length."""

import json
from collections import Counter
from pathlib import Path

import pytest

from squadron import steps
from squadron.artifacts import read_table
from squadron.config import (
    SPLITS,
    Contender,
    Data,
    Predict,
    Splits,
    Train,
    Windows,
    from_mapping,
    to_json,
)
from squadron.data.validation_file import Findings
from squadron.reader import Reader
from tests import steps_by_hand, tiny_models
from tests.steps_by_hand import train_to_evaluate
from tests.tiny_models import open_windows

pytestmark = pytest.mark.slow  # A race trains a model.

FINANCE = Path(__file__).resolve().parents[3] / "examples" / "finance_faq.csv"
WINDOWS = Windows(max_length=128, stride=64, max_question_length=24)


def ingest(root, **changes):
    fields = {"splits": Splits(tune=4, select=5, test=9), "split_by": "question", **changes}
    data = Data(train=(str(FINANCE),), source="table", **fields)
    steps.ingest(data=to_json(data), examples=root / "examples")


def featurize(root, backbone, windows=WINDOWS):
    steps_by_hand.featurize(root, backbone, windows)
    return root / "windows", json.loads((root / "windows" / "windows.json").read_text())


@pytest.fixture(scope="module")
def race(tmp_path_factory):
    """(folder of a race up to evaluate, folder of its windows, windows.json)."""
    root = tmp_path_factory.mktemp("table")
    ingest(root)
    folder, about = featurize(root, "scratch")
    contender = Contender(
        "span",
        backbone="scratch",
        windows=WINDOWS,
        train=Train(epochs=1, batch_size=16, precision="fp32", max_negative_windows=4),
        predict=Predict(n_best=2, max_answer_tokens=0),
    )
    train_to_evaluate(root, contender)
    return root, folder, about


def test_questions_are_split_and_the_shared_context_is_no_cause_for_a_warning(race):
    root = race[0]
    content = json.loads((root / "examples" / "validation.json").read_text())
    sizes = {name: part["examples"] for name, part in content["splits"].items()}
    assert sizes == {"train": 72, "tune": 4, "select": 5, "test": 9}
    assert (content["findings"]["repaired"], content["findings"]["rejected"]) == ({}, {})
    ids = []
    for name in SPLITS:
        ids += read_table(root / "examples" / f"{name}.parquet", schema="examples/1")[
            "id"
        ].to_pylist()
    assert len(set(ids)) == len(ids) == 90


def test_a_share_of_questions_stays_when_there_are_more(tmp_path):
    split_of = []
    for count in (60, 90):
        lines = FINANCE.read_text(encoding="utf-8").splitlines(keepends=True)[: count + 1]
        (tmp_path / "faq.csv").write_text("".join(lines), encoding="utf-8")
        data = Data(train=(str(tmp_path / "faq.csv"),), source="table", split_by="question")
        place = tmp_path / str(count)
        steps.ingest(data=to_json(data), examples=place)
        tables = {n: read_table(place / f"{n}.parquet", schema="examples/1") for n in SPLITS}
        split_of.append({i: n for n in SPLITS for i in tables[n]["id"].to_pylist()})
    assert len(split_of[0]) == 60
    assert split_of[0].items() < split_of[1].items()


def test_a_test_file_may_have_the_same_answers_to_other_questions_alone(tmp_path, capsys):
    header, *lines = FINANCE.read_text(encoding="utf-8").splitlines(keepends=True)
    other = [
        line.replace('"', '"Tell me: ', 1) if line[0] == '"' else f"Tell me: {line}"
        for line in lines
    ]
    (tmp_path / "test.csv").write_text("".join([header, *other]), encoding="utf-8")
    ingest(tmp_path, test=(str(tmp_path / "test.csv"),))
    assert "also in train" not in capsys.readouterr().err
    with pytest.raises(SystemExit):
        ingest(tmp_path / "same", test=(str(FINANCE),))
    assert "81 of the 90 questions of the test split are also in" in capsys.readouterr().err


def test_by_title_such_a_table_can_not_be_split_and_the_message_says_how(tmp_path, capsys):
    with pytest.raises(SystemExit):
        ingest(tmp_path, split_by="title")
    shown = capsys.readouterr()
    assert "1 titles" in shown.out + shown.err
    assert "set data -> split_by: question" in shown.out + shown.err


def test_the_longest_answer_is_chosen_by_the_train_split_and_goes_with_the_model(race):
    root, folder, about = race
    rows = open_windows(folder / "train.arrow").to_pylist()
    longest = {}
    for row in rows:
        if row["start_token"]:
            longest[row["example_id"]] = row["end_token"] - row["start_token"] + 1
    lengths = sorted(longest.values())
    lengths += [10**6] * about["counts"]["train"]["unreachable_answers"]
    fits = [n for n in range(1, 200) if sum(size <= n for size in lengths) >= 0.95 * len(lengths)]
    assert about["answer_tokens"] == fits[0] > 30
    model = json.loads((root / "model" / "variant.json").read_text())
    assert model["contender"]["predict"]["max_answer_tokens"] == fits[0]
    answer = Reader.load(root / "model").read([("What is a bond?", "A bond is a loan.")])[0]
    assert answer.text


def test_every_window_is_predicted_though_few_negative_ones_train(race):
    root, folder, _ = race
    for split in ("tune", "select", "test"):
        windows = open_windows(folder / f"{split}.arrow")
        candidates = read_table(root / "candidates" / f"{split}.parquet", schema="candidates/1")
        per_question = Counter(windows.example_ids().to_pylist())
        assert min(per_question.values()) > 20
        places = set(
            zip(candidates["example_id"].to_pylist(), candidates["window"].to_pylist(), strict=True)
        )
        assert len(places) == len(windows)
    training = json.loads((root / "model" / "variant.json").read_text())["training"]
    rows = open_windows(folder / "train.arrow").to_pylist()
    positive = sum(row["start_token"] > 0 for row in rows)
    assert training["windows_seen"] == positive + 4 * 72


def test_answers_that_no_window_holds_are_counted(race, tmp_path, capfd):
    (tmp_path / "examples").symlink_to(race[0] / "examples")
    narrow = Windows(max_length=48, stride=8, max_question_length=12)
    backbone = tiny_models.write_backbone(tmp_path / "backbone")
    folder, about = featurize(tmp_path, backbone, narrow)
    lost = 0
    for split in SPLITS:
        rows = open_windows(folder / f"{split}.arrow").to_pylist()
        asked = {row["example_id"] for row in rows}
        found = {row["example_id"] for row in rows if row["start_token"]}
        assert about["counts"][split]["unreachable_answers"] == len(asked - found)
        lost += len(asked - found)
    assert lost > 0
    shown = capfd.readouterr()
    share = f"{100 * (1 - lost / 90):.2f} % of answers reachable ({lost} in no window)"
    assert share in shown.out + shown.err


def test_the_report_is_the_one_of_every_source(race):
    content = json.loads((race[0] / "examples" / "validation.json").read_text())
    findings = from_mapping(Findings, content["findings"])
    assert (findings.total, findings.accepted, findings.rejected) == (90, 90, {})
    assert findings.sizes["contexts"].count == 1


def test_a_model_that_was_not_told_its_longest_answer_is_refused(race):
    from squadron.models.prediction import predict_candidates

    model = Reader.load(race[0] / "model")._model
    with pytest.raises(ValueError, match="max_answer_tokens is 0"):
        list(predict_candidates(model, None, None, Predict(max_answer_tokens=0), None))


def test_the_step_says_a_bad_table_in_one_sentence(tmp_path, capfd):
    (tmp_path / "bad.csv").write_text("prompt,reply\na,b\n")
    data = Data(train=(str(tmp_path / "bad.csv"),), source="table", split_by="question")
    with pytest.raises(SystemExit) as caught:
        steps.ingest(data=to_json(data), examples=tmp_path / "examples")
    assert caught.value.code == 2
    assert "there are: 'prompt', 'reply'" in "".join(capfd.readouterr())
