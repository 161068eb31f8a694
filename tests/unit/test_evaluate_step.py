"""The step evaluate with and without BERTScore, against `squadron score --bertscore`."""

import json
import subprocess
import sys

import pyarrow as pa
import pytest

from squadron import standings, steps, tracking
from squadron.__main__ import main
from squadron.artifacts import (
    CANDIDATES,
    ERRORS,
    EXTENTS,
    read_json,
    read_table,
    write_json,
    write_table,
)
from squadron.config import Contender, Evaluate, to_json
from tests import tiny_models

# Some right, some wrong, some abstained; and questions that nothing answers.
GIVEN = ["1906", "the glass roof", "Spain", "", "Théophile", "160 metres", "Line 28", "minutes"]
QUESTIONS = [*tiny_models.EIGHT_QUESTIONS, *tiny_models.UNANSWERED]
ANSWERS = [*GIVEN, "light", ""]


@pytest.fixture
def places(tmp_path):
    """Examples and candidates of three equal splits; "" has no candidate at all."""
    table = tiny_models.make_examples(QUESTIONS)
    rows = []
    for example, text in zip(table.to_pylist(), ANSWERS, strict=True):
        if text:
            start = example["context"].index(text)
            row = {"example_id": example["id"], "window": 0, "rank": 0, "score": 1.0}
            rows.append(
                {**row, "null_score": 0.0, "start_char": start, "end_char": start + len(text)}
            )
    candidates = pa.Table.from_pylist(rows, schema=CANDIDATES)
    for split in ("tune", "select", "test"):
        write_table(
            tmp_path / "examples" / f"{split}.parquet", table, schema="examples/1", made_from="e"
        )
        write_table(
            tmp_path / "candidates" / f"{split}.parquet",
            candidates,
            schema="candidates/1",
            made_from="c",
        )
    status = {"disqualified": "", "training": {}}
    write_json(tmp_path / "candidates" / "status.json", status, schema="status/1", made_from="c")
    return tmp_path


def arguments(places, **changes):
    return {
        "settings": to_json(Evaluate(**changes)),
        "contender": to_json(Contender("span")),
        "race": "",
        "examples": places / "examples",
        "candidates": places / "candidates",
        "evaluation": places / "evaluation",
        "figures_file": places / "figures.json",
    }


def test_bertscore_is_that_of_squadron_score_on_the_published_answers(places, capsys):
    figures = steps.evaluate(**arguments(places, bertscore=True))
    metrics = read_json(places / "evaluation" / "metrics.json", schema="metrics/1")
    articles = []
    for number, (question, context, answer) in enumerate(QUESTIONS):
        gold = [{"text": answer, "answer_start": context.index(answer)}] if answer else []
        qa = {"id": f"q{number}", "question": question, "answers": gold}
        qa["is_impossible"] = not answer
        articles.append({"title": "t", "paragraphs": [{"context": context, "qas": [qa]}]})
    (places / "data.json").write_text(json.dumps({"data": articles}))
    capsys.readouterr()
    chosen = places / "evaluation" / "select" / "answers.json"
    assert set(json.loads(chosen.read_text()).values()) > {""}
    assert main(["score", str(places / "data.json"), str(chosen), "--bertscore"]) == 0
    official = json.loads(capsys.readouterr().out)
    for name in ("precision", "recall", "f1"):
        assert 0 < official[f"BERTScore_{name}"] < 100
        expected = pytest.approx(official[f"BERTScore_{name}"], abs=1e-9)
        assert metrics["splits"]["select"][f"bertscore_{name}"] == expected
        for split in ("select", "test"):
            assert figures[f"{split}_bertscore_{name}"] == expected
    assert "bertscore_f1" not in metrics["splits"]["tune"]
    row = standings.table_row(metrics)
    assert row["select"]["bertscore_f1"] == pytest.approx(official["BERTScore_f1"], abs=1e-9)


def test_without_it_no_figure_and_no_torch(places):
    texts = {name: str(value) for name, value in arguments(places).items()}
    code = f"""
import sys
from squadron import steps
figures = steps.evaluate(**{texts!r})
assert "select_exact_match" in figures
assert not any("bertscore" in name for name in figures), figures
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_wrong_answers_are_sorted_counted_and_listed(places):
    steps.evaluate(**arguments(places))
    metrics = read_json(places / "evaluation" / "metrics.json", schema="metrics/1")
    assert set(metrics["errors"]) == {"select", "test"}
    counts = {kind: count for kind, count in metrics["errors"]["test"].items() if count}
    assert counts == {
        "boundary": 2,  # "Théophile", "minutes"
        "right_sentence": 1,  # "the glass roof"
        "should_have_answered": 1,
        "should_have_abstained": 1,
    }
    table = read_table(places / "evaluation" / "test" / "errors.parquet", schema="errors/1")
    assert table.schema.remove_metadata() == ERRORS
    wrong = 1 - metrics["splits"]["test"]["exact"] / 100
    assert table.num_rows == sum(counts.values()) == round(wrong * len(QUESTIONS))
    assert not (places / "evaluation" / "tune" / "errors.parquet").exists()


def test_windows_that_held_no_answer_are_told_apart(places):
    extents = [
        {"example_id": f"q{number}", "window": 0, "start_char": 0, "end_char": 30}
        for number in range(len(QUESTIONS))
    ]
    for split in ("select", "test"):
        write_table(
            places / "candidates" / f"{split}.windows.parquet",
            pa.Table.from_pylist(extents, schema=EXTENTS),
            schema="extents/1",
            made_from="c",
        )
    steps.evaluate(**arguments(places))
    metrics = read_json(places / "evaluation" / "metrics.json", schema="metrics/1")
    assert metrics["errors"]["select"]["window_missed_the_answer"] == 4
    assert metrics["errors"]["select"]["should_have_abstained"] == 1


def test_the_table_of_wrong_answers_is_replaced_not_appended_to(tmp_path, monkeypatch):
    monkeypatch.setenv(tracking.URI_VARIABLE, f"sqlite:///{tmp_path}/mlflow.db")
    race = tracking.Race("table", "key")
    tracking.open_race(race, ["span"], {}, "sha")
    child = tracking.find_child(race, "span")
    rows = [{"question": "<b>?", "score": 1.5}, {"question": "Who?", "score": -float("inf")}]
    for given in (rows[:1], rows):
        tracking.log_table(child, given, "errors.json")
    import mlflow

    run = mlflow.get_run(child)
    table = mlflow.MlflowClient().load_table(run.info.experiment_id, "errors.json", [child])
    assert table["question"].tolist() == ["<b>?", "Who?"]
    assert table["score"].isna().tolist() == [False, True]
    assert '"type": "table"' in run.data.tags["mlflow.loggedArtifacts"]
    tracking.log_table("", rows, "errors.json")
