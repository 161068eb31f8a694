"""Races on question/answer pairs: the model keeps the one context, so asking needs none."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.limits import PATIENCE_SECONDS
from tests.pipeline.tiny_race import ROOT, client, run, write_experiment

pytestmark = pytest.mark.slow

QUESTION = "What is a bond?"


def write_pairs(folder: Path, count: int) -> list[str]:
    """Writes the first pairs of the example as faq.csv; returns their answers."""
    source = ROOT / "examples" / "finance_faq.csv"
    with source.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    with (folder / "faq.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows[:count]])
    return list(dict.fromkeys(row[header.index("answer")].strip() for row in rows[:count]))


@pytest.fixture(scope="module")
def faq(tmp_path_factory):
    """Two races with a champion, the second one on more pairs: (folder, answers of each)."""
    folder = tmp_path_factory.mktemp("faq")
    write_experiment(folder, ["span", "champion"], epochs=1)
    experiment = json.loads((folder / "tiny.yaml").read_text())
    experiment["data"] = {
        "source": "table",
        "train": "faq.csv",
        "split_by": "question",
        "splits": {"tune": 4, "select": 4, "test": 4},
        "licence": "Apache-2.0",
    }
    experiment["train"]["max_negative_windows"] = 1
    (folder / "tiny.yaml").write_text(json.dumps(experiment))
    answers = []
    for count in (24, 30):
        answers.append(write_pairs(folder, count))
        done = run(folder)
        assert done.returncode == 0, done.stderr + done.stdout
    return folder, answers


def ask(folder, *arguments):
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    return subprocess.run(
        [sys.executable, "-m", "squadron", "ask", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def models(folder: Path, label: str) -> list[Path]:
    """Returns the published models of a contender, the first race's first."""
    places = sorted((folder / "results").iterdir(), key=lambda place: place.stat().st_mtime)
    return [place / label / "model" for place in places if (place / label).is_dir()]


def test_the_model_keeps_all_answers_and_lists_the_file(faq):
    folder, answers = faq
    for model, expected in zip(models(folder, "span"), answers, strict=True):
        assert (model / "context.txt").read_text(encoding="utf-8").split("\n") == expected
        assert "context.txt" in json.loads((model / "variant.json").read_text())["files"]


def test_a_champion_keeps_the_context_of_the_race_that_it_was_judged_in(faq):
    folder, (first, second) = faq
    (model,) = models(folder, "champion")
    assert (model / "context.txt").read_text(encoding="utf-8").split("\n") == second
    inner = model / "champion" / "context.txt"
    assert inner.read_text(encoding="utf-8").split("\n") == first


def test_the_registered_model_answers_without_a_context_and_says_from_which_line(faq):
    folder, answers = faq
    for version in (1, "candidate"):
        done = ask(folder, QUESTION, "--json", "--version", str(version))
        assert (done.returncode, done.stderr) == (0, "")
        (row,) = json.loads(done.stdout)
        kept = answers[0] if row["version"] == "1" else answers[1]
        assert row["answered"]
        assert row["line_text"] == kept[row["line"] - 1]
        text = "\n".join(kept)
        assert text[row["start_char"] : row["end_char"]] == row["text"] != ""
        assert row["text"].split("\n")[0] in row["line_text"]
    newest = client(folder).get_model_version_by_alias("squadron-tiny", "candidate")
    done = ask(folder, QUESTION, "--explain")
    lines = done.stdout.splitlines()
    assert lines[2].startswith("From:     line ")
    assert lines[2].endswith(" of the model's own text")
    assert lines[3].startswith("Line:     ")
    assert "[" in lines[3]
    windows = [line for line in lines if line.startswith("  window ")]
    assert len(windows) > 5
    assert lines[-1].startswith(f"Model:    squadron-tiny version {newest.version}")


def test_a_context_or_an_index_still_wins(faq):
    folder, _ = faq
    done = ask(folder, QUESTION, "--json", "--context", "A bond is a loan.")
    (row,) = json.loads(done.stdout)
    assert row["text"] in "A bond is a loan."
    assert "line" not in row
    done = ask(folder, QUESTION, "--index", "none")
    assert done.returncode == 2
    assert "There is no index in none" in done.stderr
