"""Tests that commands that only read never make a store, through the real command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import tiny_models
from tests.limits import PATIENCE_SECONDS

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[3]
SQUADRON = [sys.executable, "-m", "squadron"]
RACE = [sys.executable, str(ROOT / "pipeline.py"), "run", "race.yaml"]


def run(folder, command, **variables):
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"} | variables
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["ask", "Who?", "--context", "Ada did it.", "--model", "squadron-example"],
        ["ask", "Who?", "--context", "Ada did it.", "--model", "models:/squadron-example@staging"],
        ["promote", "1", "--to", "staging", "--yes"],
        ["promote", "1", "--to", "staging", "--model", "squadron-example", "--yes"],
        ["models"],
        ["rollback", "staging", "--yes"],
        ["history", "staging"],
        ["compare", "1", "2"],
    ],
)
@pytest.mark.parametrize("store", ["", "sqlite:///other/mlflow.db"])
def test_a_command_that_reads_says_that_there_is_no_store_and_makes_none(
    tmp_path, arguments, store
):
    done = run(
        tmp_path, [*SQUADRON, *arguments], **({"MLFLOW_TRACKING_URI": store} if store else {})
    )
    assert (done.returncode, done.stdout) == (2, "")
    (sentence,) = done.stderr.strip().splitlines()
    for word in ("mlflow.db", "does not exist", "make run", "MLFLOW_TRACKING_URI"):
        assert word in sentence
    assert list(tmp_path.iterdir()) == []


def test_a_race_on_a_registered_model_makes_no_store_to_look_for_it(tmp_path):
    data = tmp_path / "data.json"
    qas = [{"id": "1", "question": "Who?", "answers": [{"text": "Ada", "answer_start": 0}]}]
    paragraphs = [{"context": "Ada did it.", "qas": qas}]
    data.write_text(json.dumps({"data": [{"title": "t", "paragraphs": paragraphs}]}))
    experiment = {
        "data": {"train": str(data)},
        "backbone": "models:/squadron-example@candidate",
        "contenders": ["span"],
    }
    (tmp_path / "race.yaml").write_text(json.dumps(experiment))
    done = run(tmp_path, RACE)
    assert done.returncode == 2, done.stderr
    assert "mlflow.db" in done.stderr
    assert "does not exist" in done.stderr
    assert list(tmp_path.rglob("mlflow*")) == []


def test_a_champion_without_a_store_is_left_out_and_none_is_made(tmp_path, monkeypatch):
    from launch.registered import resolve_models
    from squadron.config import build_experiment

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    backbone = tiny_models.write_backbone(tmp_path / "backbone")
    raw = {
        "name": "race",
        "data": {"train": "a.json"},
        "backbone": backbone,
        "contenders": ["span", "champion"],
    }
    resolved = resolve_models(build_experiment(raw), is_local=True)
    assert [contender.label for contender in resolved.contenders] == ["span"]
    assert [path.name for path in tmp_path.iterdir()] == ["backbone"]


def test_an_experiment_without_its_data_says_where_data_come_from(tmp_path):
    experiment = str(ROOT / "experiments" / "squad1.yaml")
    command = [*RACE[:-1], experiment, "--profile", "cpu"]
    done = run(tmp_path, command)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.strip() == (
        "data -> train: the file data/squad/train.json does not exist. The data are yours to give "
        "and are no part of this project: --set data.train=FILE, with a path or s3://bucket/key. "
        "SQuAD is at https://rajpurkar.github.io/SQuAD-explorer/."
    )
    (tmp_path / "mine.json").write_text("{}")
    done = run(tmp_path, [*command, "--set", "data.train=mine.json"])
    assert done.stderr.startswith("data -> test: the file data/squad/dev-v1.1.json does not exist.")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.json"]
