"""Types of questions and training questions through the steps, from the data to the figures."""

import json
from pathlib import Path

import pytest

from squadron import steps
from squadron.artifacts import read_table
from squadron.config import Contender, Data, Predict, Splits, Train, Windows, to_json
from squadron.data.question_types import TYPES
from tests.steps_by_hand import featurize, train_to_evaluate
from tests.tiny_models import open_windows

pytestmark = pytest.mark.slow  # A race trains a model.

CORPUS = Path(__file__).resolve().parents[3] / "examples" / "corpus.json"
WINDOWS = Windows(max_length=128, stride=32, max_question_length=32)


@pytest.fixture(scope="module")
def race(tmp_path_factory):
    """A race of one contender up to evaluate."""
    root = tmp_path_factory.mktemp("reasoning")
    data = Data(train=(str(CORPUS),), splits=Splits(2, 2, 2), max_train_examples=24)
    steps.ingest(data=to_json(data), examples=root / "examples")
    featurize(root, "scratch", WINDOWS)
    contender = Contender(
        "reasoning",
        backbone="scratch",
        windows=WINDOWS,
        train=Train(epochs=2, batch_size=8, precision="fp32", max_examples=10),
        predict=Predict(n_best=2, train_questions=6),
    )
    train_to_evaluate(root, contender)
    return root


def examples_of(root, split):
    return read_table(root / "examples" / f"{split}.parquet", schema="examples/1")


def test_the_data_say_who_labelled_them(race):
    content = json.loads((race / "examples" / "validation.json").read_text())
    counts = content["splits"]["select"]["reasoning_types"]
    assert list(counts) == ["data"]
    assert sum(counts["data"].values()) == examples_of(race, "select").num_rows
    assert all(counts["data"][name] for name in TYPES)


def test_windows_carry_the_type_of_their_question(race):
    folder = race / "windows"
    table = examples_of(race, "select")
    type_of = dict(zip(table["id"].to_pylist(), table["reasoning_type"].to_pylist(), strict=True))
    rows = open_windows(folder / "select.arrow")
    found = [TYPES[number] for number in rows.cut.reasoning_type_N]
    assert found == [type_of[each] for each in rows.example_ids().to_pylist()]


@pytest.mark.parametrize("split", ["tune", "select", "test"])
def test_every_question_gets_a_type_and_figures_tell_how_well(race, split):
    table = examples_of(race, split)
    kinds = json.loads((race / "evaluation" / split / "types.json").read_text())
    assert list(kinds) == table["id"].to_pylist()
    assert set(kinds.values()) <= set(TYPES)
    summary = json.loads((race / "evaluation" / "metrics.json").read_text())["splits"][split]
    wanted = table["reasoning_type"].to_pylist()
    right = sum(a == b for a, b in zip(kinds.values(), wanted, strict=True))
    assert summary["types"]["accuracy"] == pytest.approx(100 * right / len(wanted))
    assert summary["types"]["causal_count"] == wanted.count("causal")
    assert summary["types_rules"] == {}


def test_only_the_first_questions_train_and_the_first_of_those_are_judged(race):
    ids = examples_of(race, "train")["id"].to_pylist()
    folder = race / "windows"
    rows = open_windows(folder / "train.arrow").example_ids().to_pylist()
    training = json.loads((race / "model" / "variant.json").read_text())["training"]
    assert training["windows_seen"] == 2 * sum(each in ids[:10] for each in rows)
    judged = json.loads((race / "evaluation" / "metrics.json").read_text())["splits"]["train"]
    assert judged["total"] == 6
    assert list(json.loads((race / "evaluation" / "train" / "answers.json").read_text())) == ids[:6]
    # Its threshold is its own; the one that is kept is tune's.
    assert judged["exact_match"] >= judged["all_null_exact_match"]
    assert judged["exact_match_low"] is None
