"""The real train step on a tiny model while a real MLflow server dies, hangs up and comes back."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from mlflow import MlflowClient

from squadron import steps, tracking
from squadron.config import Contender, Data, Splits, Train, Windows, to_json
from squadron.models import training
from tests import tiny_models
from tests.mlflow_server import LossyProxy, MlflowServer

pytestmark = pytest.mark.slow

CORPUS = Path(__file__).resolve().parents[2] / "examples" / "corpus.json"
WINDOWS = Windows(max_length=128, stride=32, max_question_length=32)
FEW = {"max_tune_examples": 4, "max_select_examples": 4, "max_test_examples": 4}
PATIENCE = "SQUADRON_OUTBOX_SECONDS"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = MlflowServer(tmp_path_factory.mktemp("server"))
    yield server
    server.kill()


@pytest.fixture(scope="module")
def cut(tmp_path_factory):
    """The folder of a race up to featurize, and the backbone."""
    root = tmp_path_factory.mktemp("cut")
    backbone = tiny_models.write_backbone(root / "backbone")
    data = Data((str(CORPUS),), splits=Splits(2, 2, 2), max_train_examples=8, **FEW)
    entry = {"backbone": backbone, "windows": dataclasses.asdict(WINDOWS)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SQUADRON_CHECKPOINTS", str(root / "kept"))
        steps.ingest(data=to_json(data), examples=root / "examples")
        steps.featurize(
            entry=json.dumps(entry), examples=root / "examples", windows=root / "windows"
        )
    return root


@pytest.fixture
def race(server, cut, tmp_path, monkeypatch):
    """An opened race of its own, and the arguments of its train step."""
    server.start()
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    monkeypatch.setenv(tracking.URI_VARIABLE, server.uri)
    monkeypatch.setenv("SQUADRON_CHECKPOINTS", str(tmp_path / "kept"))
    monkeypatch.setenv(PATIENCE, "1800")
    opened = tracking.Race("away", tmp_path.name)
    monkeypatch.setenv(tracking.RACE_VARIABLE, str(opened))
    tracking.open_race(opened, ["span"], {}, "sha")
    return opened


def arguments(cut, model):
    settings = Train(epochs=2, batch_size=4, precision="fp32")
    contender = Contender("span", "span", str(cut / "backbone"), windows=WINDOWS, train=settings)
    return {
        "contender": to_json(contender),
        "windows": cut / "windows",
        "examples": cut / "examples",
        "model": model,
    }


def at_point(monkeypatch, number, act):
    """Acts before the point of this number (from 1) of the loss curve is logged."""
    log, count = tracking.log_points, []

    def log_points(run, points):
        if len(points) == 1 and points[0]["step"]:
            count.append(points)
            if len(count) == number:
                act()
        log(run, points)

    monkeypatch.setattr(tracking, "log_points", log_points)
    return count


def curve(model):
    return json.loads((model / "variant.json").read_text())["training"]["log"]


def assert_logged_once(race, model):
    """MLflow has the training's points exactly once each, its figures, params and log."""
    client = MlflowClient(os.environ[tracking.URI_VARIABLE])
    run = client.get_run(tracking.find_child(race, "span"))
    wanted, names = curve(model), {name for point in curve(model) for name in point} - {"step"}
    assert len(wanted) > 10
    for name in names:
        history = client.get_metric_history(run.info.run_id, name)
        # The last points of an epoch share their step and its "epoch", which MLflow has once.
        assert sorted(p.step for p in history) == sorted({p["step"] for p in wanted if name in p})
        if name != "windows_per_second":  # a step that is done twice takes another time
            values = {point.step: point.value for point in history}
            assert values == {p["step"]: p[name] for p in wanted if name in p}, name
    assert run.data.params["variant"] == "span"
    assert run.data.metrics["parameters"] > 0
    assert len(client.get_metric_history(run.info.run_id, "parameters")) == 1
    artifacts = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert "training_log.json" in artifacts


def left_on_disk(tmp_path):
    return [path for path in (tmp_path / "kept" / "outbox").rglob("*") if path.is_file()]


@pytest.mark.parametrize("dies_at", [0, 3], ids=["before it starts", "in mid-training"])
def test_a_server_that_is_away_while_training_misses_nothing(
    server, cut, race, tmp_path, monkeypatch, dies_at
):
    seen = []
    if not dies_at:
        server.kill()
    else:
        at_point(monkeypatch, dies_at, server.kill)

    def start_again():
        seen.append("trained without it")
        threading.Thread(target=server.start).start()

    # Seven more points are logged while it is away; it comes back while others are.
    at_point(monkeypatch, 10, start_again)
    steps.train(**arguments(cut, tmp_path / "model"))
    assert seen
    assert_logged_once(race, tmp_path / "model")
    assert left_on_disk(tmp_path) == []


def test_rows_of_a_call_that_raised_are_not_logged_twice(server, cut, race, tmp_path, monkeypatch):
    # MLflow's client tries three times by itself, so the call raises more than once.
    proxy = LossyProxy(server.port, "runs/log-batch", lost=8)
    try:
        monkeypatch.setenv(tracking.URI_VARIABLE, proxy.uri)
        steps.train(**arguments(cut, tmp_path / "model"))
        assert proxy.lost == 8
    finally:
        monkeypatch.setenv(tracking.URI_VARIABLE, server.uri)
        proxy.close()
    assert_logged_once(race, tmp_path / "model")


def test_a_server_away_beyond_the_end_of_the_step_costs_no_training(
    server, cut, race, tmp_path, monkeypatch, capsys
):
    server.kill()
    monkeypatch.setenv(PATIENCE, "0.5")
    steps.train(**arguments(cut, tmp_path / "first"))
    shown = capsys.readouterr().err
    assert shown.count("train      MLflow does not answer") == 1
    assert str(tmp_path / "kept" / "outbox") in shown
    first = curve(tmp_path / "first")
    assert left_on_disk(tmp_path)

    server.start()
    monkeypatch.setenv(PATIENCE, "1800")
    updates = []
    monkeypatch.setattr(training._Loop, "_update", lambda *some: updates.append(some))
    steps.train(**arguments(cut, tmp_path / "second"))
    assert updates == []
    assert curve(tmp_path / "second") == first
    assert_logged_once(race, tmp_path / "second")
    assert left_on_disk(tmp_path) == []


def test_another_step_of_the_race_sends_what_waits(server, cut, race, tmp_path, monkeypatch):
    server.kill()
    monkeypatch.setenv(PATIENCE, "0.5")
    steps.train(**arguments(cut, tmp_path / "model"))
    given = arguments(cut, tmp_path / "model")
    del given["examples"]
    server.start()
    monkeypatch.setenv(PATIENCE, "1800")
    steps.predict(**given, candidates=tmp_path / "candidates")
    assert_logged_once(race, tmp_path / "model")


KILLED = """
import json, os, signal, sys
from squadron import steps, tracking
log, count = tracking.log_points, []
def log_points(run, points):
    log(run, points)
    count.append(points)
    if len(count) == 9:
        os.kill(os.getpid(), signal.SIGKILL)
tracking.log_points = log_points
steps.train(**json.loads(sys.argv[1]))
"""


@pytest.mark.parametrize("is_away", [True, False], ids=["server away", "server there"])
def test_a_step_that_is_killed_goes_on_and_every_point_is_there_once(
    server, cut, race, tmp_path, is_away
):
    if is_away:
        server.kill()
    given = arguments(cut, tmp_path / "model")
    text = json.dumps({name: str(value) for name, value in given.items()})
    done = subprocess.run([sys.executable, "-c", KILLED, text], capture_output=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    server.start()
    steps.train(**given)
    assert_logged_once(race, tmp_path / "model")
    assert left_on_disk(tmp_path) == []


def test_what_mlflow_refuses_for_ever_stops_nothing_else(
    server, cut, race, tmp_path, monkeypatch, capsys
):
    child = tracking.find_child(race, "span")
    client = MlflowClient(server.uri)
    client.log_param(child, "variant", "another")  # a parameter can't be changed
    point = {"step": 7, "train@loss": 1.0, "good_loss": 2.0}
    at_point(
        monkeypatch, 3, lambda: tracking.log_points(tracking.address_run(race, "span"), [point])
    )
    steps.train(**arguments(cut, tmp_path / "model"))
    run = client.get_run(child)
    assert run.data.params["variant"] == "another"
    assert run.data.params["epochs"] == "2"
    assert run.data.metrics["good_loss"] == 2.0
    assert len(client.get_metric_history(child, "train_loss")) > 10
    shown = capsys.readouterr().err
    assert shown.count("train      MLflow refuses a part of what was logged (2 in all)") == 1
    assert "variant" in shown
    (refused,) = left_on_disk(tmp_path)
    assert "train@loss" in refused.read_text()


def test_the_reason_of_a_failure_survives_a_server_that_is_away(
    server, cut, race, tmp_path, monkeypatch
):
    monkeypatch.setattr("squadron.steps._step.FAILED_SECONDS", 0.5)
    server.kill()
    given = arguments(cut, tmp_path / "model") | {"examples": tmp_path / "nowhere"}
    with pytest.raises(SystemExit):
        steps.train(**given)
    server.start()
    tracking.send_waiting(race)
    tags = MlflowClient(server.uri).get_run(tracking.find_parent(race)).data.tags
    assert tags[tracking.FAILURE_TAG].startswith("train: The file")
