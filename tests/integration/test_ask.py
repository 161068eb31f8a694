"""Tests `squadron ask` as a program: files of questions, outputs, and a conversation."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from squadron.config import Contender, Windows
from squadron.models import model_folder
from squadron.models.backbones import load_tokenizer
from squadron.models.variants import reasoning
from tests import tiny_models
from tests.limits import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
TEXT = ROOT / "examples" / "moon_landing.txt"
ROCK = "How much rock and soil did Armstrong and Aldrin collect?"
NEVER = "How much did the Apollo 11 mission cost?"


@pytest.fixture
def ask(tmp_path):
    def run(*arguments, typed=None):
        environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
        done = subprocess.run(
            [sys.executable, "-m", "squadron", "ask", "--model", "starter", *arguments],
            cwd=tmp_path,
            env=environment,
            input=typed,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        return done.returncode, done.stdout, done.stderr

    return run


def test_a_file_of_questions_becomes_a_file_of_answers(ask, tmp_path):
    (tmp_path / "more.txt").write_text(f"{NEVER}\n")
    own = ("--context", str(TEXT), "--questions", "more.txt", "--output", "answers.csv", ROCK)
    code, shown, _ = ask(*own)
    assert (code, shown) == (0, "2 answers are in answers.csv\n")
    with (tmp_path / "answers.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["question"] for row in rows] == [ROCK, NEVER]
    assert [row["text"] for row in rows] == ["21.5 kilograms", ""]
    assert [row["answered"] for row in rows] == ["True", "False"]
    assert rows[1]["best_text"] != ""
    assert {row["model"] for row in rows} == {"the starter reader"}

    (tmp_path / "answers.csv").unlink()
    code, shown, _ = ask("--context", str(TEXT), "--questions", "more.txt", "--json", ROCK)
    found = json.loads(shown)
    assert code == 0
    assert [row["text"] for row in found] == ["21.5 kilograms", ""]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["more.txt"]


def test_a_conversation_ends_with_an_empty_line_and_shows_guesses(ask):
    code, shown, _ = ask(
        "--context", str(TEXT), "--interactive", typed=f"{ROCK}\n{NEVER}\n\nWho?\n"
    )
    assert code == 0
    first, second, rest = shown.split("\n\n")
    assert "Answer:   21.5 kilograms" in first.splitlines()
    assert "Answer:   not answered here" in second.splitlines()
    assert sum(line.startswith("Guess:    ") for line in second.splitlines()) == 1
    assert rest == ""


def test_an_explained_answer_shows_each_window_of_a_text_and_the_threshold(ask, tmp_path):
    text = TEXT.read_text(encoding="utf-8") * 3
    (tmp_path / "long.txt").write_text(text, encoding="utf-8")
    own = ("--context", "long.txt", "--explain", ROCK, NEVER)
    code, shown, _ = ask(*own)
    assert code == 0
    lines = shown.splitlines()
    assert sum(line.startswith("Needs:    a score above ") for line in lines) == 2
    windows = [line for line in lines if line.startswith("  window ")]
    assert windows[0].startswith("  window 1, characters 0 to ")
    marked = [line for line in windows if line.endswith((" <- the answer", " <- the guess"))]
    assert len(marked) == 2
    assert "'21.5 kilograms'" in marked[0]
    assert all("null score" in line and "%" in line for line in windows)

    code, shown, _ = ask(*own, "--json")
    rows = json.loads(shown)
    for row in rows:
        assert row["windows"][-1]["end_char"] <= len(text)
        (best,) = (window for window in row["windows"] if window["is_best"])
        assert (best["text"], best["score"]) == (row["best_text"], row["score"])
        assert text[best["text_start_char"] : best["text_end_char"]] == best["text"]
        assert (row["score"] > row["null_threshold"]) == row["answered"]
    assert len(windows) == sum(len(row["windows"]) for row in rows)


def test_a_model_that_tells_kinds_is_named_as_their_source(ask, tmp_path):
    backbone = tiny_models.write_backbone(tmp_path / "backbone")
    contender = Contender(
        "reasoning",
        backbone=backbone,
        windows=Windows(max_length=64, stride=16, max_question_length=16),
        predict=tiny_models.FP32,
    )
    model = reasoning.build(backbone, reasoning.Options())
    tokenizer = load_tokenizer(backbone)
    model_folder.write_model(tmp_path / "model", model, tokenizer, contender, made_from="m")
    own = ("--model", "model", "--context", tiny_models.RIVER, "Why did boats carry salt?")
    code, shown, _ = ask(*own, "--json")
    (row,) = json.loads(shown)
    assert code == 0
    assert row["reasoning_source"] == "model"
    assert 1 / 3 < row["reasoning_probability"] < 1
    assert (row["rules_type"], row["cue"]) == ("causal", "Why")
    assert "windows" not in row

    code, shown, _ = ask(*own, "--explain")
    share = f"{row['reasoning_probability']:.0%}"
    kind = f"Kind:     {row['reasoning_type']} (model, {share}); rules: causal, because of 'Why'"
    lines = shown.splitlines()
    assert kind in lines
    assert sum(line.startswith("Attended: ") for line in lines) == 1

    code, shown, _ = ask("--context", tiny_models.RIVER, "--explain", own[-1])
    assert "Kind:     causal, because of 'Why'" in shown.splitlines()
    assert "Attended: " not in shown


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "There is no question; give one in quotes"),
        (("Who?",), "There is no text to look for answers in: give --context FILE_OR_TEXT, or mak"),
        (("--interactive", "Who?"), "--interactive asks for the questions"),
        (("--top-k", "0", "Who?"), "--top-k: 0 is not allowed; 1 or more"),
        (("--output", "a.txt", "Who?"), "--output: a.txt must end in .csv or .jsonl"),
    ],
)
def test_what_does_not_fit_together_is_refused_in_one_sentence(ask, tmp_path, arguments, words):
    code, shown, said = ask(*arguments)
    assert (code, shown) == (2, "")
    assert said.startswith(words)
    assert len(said.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
