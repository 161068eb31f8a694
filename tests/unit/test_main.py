"""The command line `squadron`."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from squadron.__main__ import main

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def files(tmp_path):
    qas = [
        {"id": "1", "question": "Where?", "answers": [{"text": "Rome", "answer_start": 0}]},
        {"id": "2", "question": "What?", "answers": [{"text": "old", "answer_start": 8}]},
    ]
    paragraph = {"context": "Rome is old.", "qas": qas}
    data, predictions = tmp_path / "data.json", tmp_path / "predictions.json"
    data.write_text(json.dumps({"data": [{"title": "t", "paragraphs": [paragraph]}]}))
    predictions.write_text(json.dumps({"1": "Rome", "2": "very old"}))
    return str(data), str(predictions)


def test_score_prints_the_official_figures(files, capsys):
    assert main(["score", *files]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["exact"], figures["total"]) == (50.0, 2)
    assert not any(name.startswith("BERTScore") for name in figures)


def test_score_takes_null_odds(files, tmp_path, capsys):
    odds = tmp_path / "odds.json"
    odds.write_text(json.dumps({"1": -3.5, "2": 0.5}))
    assert main(["score", *files, "--null-odds", str(odds)]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["best_exact"], figures["best_exact_thresh"]) == (50.0, -3.5)
    assert main(["score", *files, "--null-odds", str(tmp_path / "none.json")]) == 2


def test_score_adds_bertscore_when_asked(files, capsys):
    assert main(["score", *files, "--bertscore"]) == 0
    figures = json.loads(capsys.readouterr().out)
    # One answer is the gold answer; the other shares its only gold word.
    assert 75 < figures["BERTScore_f1"] < 100
    assert 0 < figures["BERTScore_precision"] <= figures["BERTScore_recall"] <= 100.001


def test_a_missing_file_ends_with_one_sentence_and_code_2(files, tmp_path, capsys):
    assert main(["score", files[0], str(tmp_path / "none.json")]) == 2
    shown = capsys.readouterr().err.strip()
    assert "none.json" in shown
    assert len(shown.splitlines()) == 1


@pytest.mark.parametrize("command", [["-m", "squadron"], ["pipeline.py"]])
def test_both_command_lines_tell_their_version(command):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    done = subprocess.run(
        [sys.executable, *command, "--version"], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (0, f"squadron {version}\n")


def test_a_reader_that_closes_the_pipe_early_gets_no_traceback(files):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "squadron", "score", *files],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")
