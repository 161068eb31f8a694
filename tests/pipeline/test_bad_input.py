"""Bad input ends a race with exit code 2 and one sentence, wherever it is found."""

import json

import pytest

from launch.command_line import main
from pipeline import build_pipeline
from squadron import steps, tracking
from squadron.config import Data, Splits, to_json
from tests.pipeline.tiny_race import CORPUS, run, runs_of, write_experiment

pytestmark = pytest.mark.slow
NEXT = (
    "Next: correct this, then run the same command again: it goes on from the steps that are done."
)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("data.train=missing.json", ["missing.json", "does not exist", "data.train=FILE"]),
        ("contenders=[spam]", ["'spam' is not a variant", "did you mean 'span'"]),
        ("backbone=./nowhere", ["'./nowhere' is no folder"]),
        ("windows.stride=120", ["stride: 120 is not allowed"]),
        ("data.train=s3://bucket/x.json", ["s3://bucket/x.json can't be read", "is up"]),
        ("results=/proc/nothing", ["/proc/nothing can't be written"]),
        ("results=s3://bucket/races", ["s3://bucket/races can't be written", "is up"]),
    ],
)
def test_what_planning_finds_is_said_before_anything_is_started(
    tmp_path, monkeypatch, capsys, override, words
):
    write_experiment(tmp_path, ["span"], epochs=1, has_store=False)
    capsys.readouterr()
    monkeypatch.delenv(tracking.URI_VARIABLE, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.chdir(tmp_path)
    assert main(["run", "tiny.yaml", "--set", override], build_pipeline) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert len(shown.err.strip().splitlines()) == 1
    for word in words:
        assert word in shown.err
    assert not (tmp_path / "runs" / "mlflow.db").exists()
    assert not list(tmp_path.glob("results/**/_COMMITTED"))


def wrong_answer() -> str:
    qa = {"id": "1", "question": "q?", "answers": [{"text": "Paris", "answer_start": 0}]}
    paragraph = {"context": "Rome is old.", "qas": [qa]}
    return json.dumps({"data": [{"title": "t", "paragraphs": [paragraph]}]})


@pytest.mark.parametrize(
    ("content", "tune", "words"),
    [
        ('{"a": 1}', 2, ["bad.json", 'the list "data"']),
        (wrong_answer(), 2, ["1 of 1 examples were rejected", "answer not in the context"]),
        (CORPUS.read_text(), 0, ["The split 'tune' is empty", "another seed"]),
    ],
    ids=["layout", "answer", "empty split"],
)
def test_what_a_step_finds_ends_it_with_one_sentence(tmp_path, capsys, content, tune, words):
    (tmp_path / "bad.json").write_text(content)
    data = Data(train=(str(tmp_path / "bad.json"),), splits=Splits(tune, 2, 2))
    with pytest.raises(SystemExit) as caught:
        steps.ingest(data=to_json(data), examples=tmp_path / "examples")
    assert caught.value.code == 2
    shown = capsys.readouterr()
    assert len(shown.err.strip().splitlines()) == 1
    for word in words:
        assert word in shown.err


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data.train=not.json"], ["ingest: ", "not.json is not JSON"]),
        (
            [f"trained_on.files=[{CORPUS}]"],
            ["admit: The contender 'span'", "was trained on the title"],
        ),
    ],
    ids=["data", "contender"],
)
def test_what_is_refused_before_training_leaves_nothing_in_mlflow(tmp_path, overrides, words):
    write_experiment(tmp_path, ["span"], has_store=False)
    (tmp_path / "not.json").write_text("not json")
    done = run(tmp_path, *(part for each in overrides for part in ("--set", each)))
    assert done.returncode == 2, done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout
    reason, remedy = done.stderr.strip().splitlines()
    for word in words:
        assert word in reason
    assert remedy == NEXT
    assert not list(tmp_path.glob("results/**/_COMMITTED"))
    assert not (tmp_path / "runs" / "mlflow.db").exists()


def test_a_step_that_fails_ends_the_race_and_mlflow_has_the_reason(tmp_path):
    write_experiment(tmp_path, ["span"])
    # Nothing can be kept below a file, so train has no place for its checkpoints.
    (tmp_path / "file").write_text("")
    done = run(tmp_path, SQUADRON_CHECKPOINTS=str(tmp_path / "file"))
    assert done.returncode == 1, done.stderr + done.stdout
    assert not list(tmp_path.glob("results/**/_COMMITTED"))
    runs = runs_of(tmp_path)
    assert {r.info.status for r in runs.values()} == {"FAILED"}
    assert all("failed: train: " in r.data.tags["squadron.status"] for r in runs.values())


def test_an_unreachable_mlflow_is_said_in_one_sentence(tmp_path):
    write_experiment(tmp_path, ["span"], has_store=False)
    # How long MLflow is asked again is not the subject here.
    dead = {
        "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "SQUADRON_OUTBOX_SECONDS": "1",
    }
    done = run(tmp_path, **dead)
    assert done.returncode == 2
    reason, remedy = done.stderr.strip().splitlines()
    assert "http://127.0.0.1:9 can't be used: it can't be reached" in reason
    assert remedy == NEXT
