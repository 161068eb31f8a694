"""Tests the starter reader that is part of the package: its figures, and `squadron ask` with it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from squadron.judging import judge_examples, read_file
from squadron.models import starter
from squadron.reader import Reader
from tests.limits import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
FIGURES = json.loads((starter.FOLDER / "figures.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def reader():
    return Reader.load_starter()


@pytest.mark.slow
def test_it_has_the_figures_of_its_card_on_the_questions_that_settled_nothing(reader):
    examples, _ = read_file(ROOT / "examples" / "corpus.json", "squad")
    examples = examples.slice(len(examples) - FIGURES["corpus"]["questions"])
    assert len(examples) >= 500
    figures = judge_examples(reader, examples).figures
    # Another processor may decide a close question otherwise.
    assert figures.exact_match == pytest.approx(FIGURES["corpus"]["exact_match"], abs=0.6)
    assert figures.f1 == pytest.approx(FIGURES["corpus"]["f1"], abs=0.6)


def test_its_card_shows_its_figures():
    card = (starter.FOLDER / "README.md").read_text(encoding="utf-8")
    for judged in (FIGURES["dev"], FIGURES["corpus"]):
        for shown in judged["shown"].values():
            assert shown in card


def test_it_answers_most_of_the_questions_about_a_text_that_it_has_not_read(reader):
    examples, _ = read_file(ROOT / "examples" / "moon_landing.json", "squad")
    figures = judge_examples(reader, examples).figures
    assert figures.exact_match >= 50


def ask(folder, *arguments):
    return subprocess.run(
        [sys.executable, "-m", "squadron", "ask", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def test_squadron_ask_uses_it_while_nothing_is_registered_and_says_so(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    text = str(ROOT / "examples" / "moon_landing.txt")
    done = ask(tmp_path, "--context", text, "How much rock and soil did they collect?")
    assert done.returncode == 0, done.stderr
    assert "Answer:   21.5" in done.stdout
    assert "Model:    the starter reader, as no model is registered yet" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_it_can_be_named_as_a_model(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    text = "The bridge was opened in 1932 by the king."
    done = ask(tmp_path, "--model", "starter", "--context", text, "When was the bridge opened?")
    assert done.returncode == 0, done.stderr
    assert "Answer:   1932" in done.stdout
    assert "Model:    the starter reader\n" in done.stdout
