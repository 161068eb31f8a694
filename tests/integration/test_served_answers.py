"""A registered model of every trained variant answers as it was evaluated, whoever serves it.

Each variant trains on 210 small questions, is evaluated on the same ones and registered by the step
register. Then the version answers them over HTTP: from the server of `squadron serve`, and from
MLflow's scoring server, mlflow/pyfunc/scoring_server/__init__.py of the installed package.
"""

import contextlib
import json
import shlex
import shutil
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import mlflow
import pytest
from fastapi.testclient import TestClient
from mlflow.pyfunc import scoring_server

from squadron import registry, steps, tracking
from squadron.artifacts import read_record, write_table
from squadron.config import Contender, Predict, Register, Train, Windows
from squadron.models import variants
from squadron.scores.contender_result import ContenderResult
from squadron.scores.metrics import score_answers
from squadron.serving.engine import load_engine
from squadron.serving.service import Service
from squadron.serving.settings import Settings
from tests import served, steps_by_hand, tiny_models
from tests.limits import PATIENCE_SECONDS
from tests.pipeline import tiny_race
from tests.stores import make_store

pytestmark = pytest.mark.slow

SCORE_ERROR = 2e-5
"""By how much a score may change if windows are batched in another way. Scores here are about 10,
and fp32 has 24 bits. The largest change that was seen is 5e-6, with a probability that changed by
8e-7, and only prompt_tuning changed at all."""
SPLITS = ("train", "tune", "select", "test")
NAMES = ("Ann Reed", "Carl Moss", "Dora West", "Emil Voss", "Fay Stone")
FILLER = "Boats pass below it every day, and many people come from the hills to see them. "


def make_questions():
    """(question, context, answer) of 30 places, 7 of each; "" means that there is no answer."""
    questions = []
    for number in range(30):
        years = [str(1700 + 7 * number + more) for more in (0, 40, 90)]
        first, second = NAMES[number % 5], NAMES[(number + 2) % 5]
        # Every third context has several windows.
        context = (
            f"The mill of Aller{number} was built in {years[0]} by {first}. "
            f"It burned in {years[1]}. "
            f"{FILLER * (3 if number % 3 == 0 else 0)}"
            f"The bridge was designed by {second} and opened in {years[2]}."
        )
        questions += [
            ("When was the mill built?", context, years[0]),
            ("Who built the mill?", context, first),
            ("When did the mill burn?", context, years[1]),
            ("Who designed the bridge?", context, second),
            ("When was the bridge opened?", context, years[2]),
            ("Where is the mill?", context, f"Aller{number}"),
            ("Why was the railway sold?", context, ""),
        ]
    return questions


QUESTIONS = make_questions()
SETTINGS = {
    "windows": Windows(max_length=64, stride=16, max_question_length=16),
    "train": Train(epochs=12, learning_rate=5e-3, batch_size=16, precision="fp32"),
    "predict": Predict(max_answer_tokens=8, precision="fp32"),
}
CONTENDERS = {
    **{name: Contender(name) for name in variants.list_variants() if variants.is_trained(name)},
    "compact": Contender("span", backbone="scratch:words"),
}
ON_SPAN = ("lora", "prompt_tuning")
"""Adapters, which learn little on a random backbone. Theirs is the trained model of `span`."""


@dataclass(frozen=True)
class Evaluated:
    """A registered version, and what its race wrote about it."""

    version: registry.Registered
    evaluation: Path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The examples and a random backbone, in a folder with an empty store."""
    folder = tmp_path_factory.mktemp("served")
    table = tiny_models.make_examples(QUESTIONS)
    for split in SPLITS:
        place = folder / f"examples/{split}.parquet"
        write_table(place, table, schema="examples/1", made_from="e")
    tiny_models.write_validation(folder / "examples")
    (folder / "backbone").mkdir()
    tiny_race.write_backbone(folder / "backbone")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(tracking.URI_VARIABLE, make_store(folder))
        yield folder


def train(folder, label):
    """Trains and evaluates a contender once; returns the folder of what its steps wrote."""
    root = folder / label
    if root.exists():
        return root
    settings = SETTINGS
    backbone = str(folder / "backbone")
    if label in ON_SPAN:
        backbone = str(train(folder, "span") / "model")
    if label == "compact":
        # It is deeper than the random backbone.
        backbone = CONTENDERS[label].backbone
        settings = settings | {"train": replace(SETTINGS["train"], learning_rate=1e-3)}
    contender = replace(CONTENDERS[label], label=label, backbone=backbone, **settings)
    shutil.copytree(folder / "examples", root / "examples")
    steps_by_hand.featurize(root, backbone, contender.windows)
    steps_by_hand.train_to_evaluate(root, contender)
    return root


def register(folder, label):
    """Registers a contender once; returns its version, and where its evaluation is."""
    root = train(folder, label)
    if not (root / "race_result.json").exists():
        race = tracking.Race("served", label)
        tracking.open_race(race, [label], {}, "sha")
        tracking.close_contender(tracking.find_child(race, label), "")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(tracking.RACE_VARIABLE, str(race))
            steps.register(
                settings=json.dumps({"register": asdict(Register(model_name=label, demo=True))}),
                models=[root / "model"],
                evaluations=[root / "evaluation"],
                race_result=root / "race_result.json",
            )
    return Evaluated(registry.find_version(label, "candidate"), root / "evaluation")


@contextlib.contextmanager
def mlflow_here(version):
    """Yields `post` of MLflow's scoring server for a model, which runs in this process."""
    with pytest.MonkeyPatch.context() as patch:
        # `init` sets this for good.
        patch.setenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "true")
        app = scoring_server.init(mlflow.pyfunc.load_model(version.uri))
        client = TestClient(app, raise_server_exceptions=False)

        def post(path, body):
            found = client.post(path, json=body)
            return found.status_code, found.json()

        yield post


@contextlib.contextmanager
def squadron_here(version):
    """Yields `post` of the server of `squadron serve`, which answers on a port of its own."""
    with registry.open_model(version.uri) as opened:
        server = served.Served(Service(load_engine(opened), Settings()))

    def post(path, body):
        found = server.post(path, body)
        return found.status, found.json

    try:
        yield post
    finally:
        server.close()


@contextlib.contextmanager
def mlflow_models_serve(version, folder):
    """Yields `post` of the process that `mlflow models serve --env-manager local` starts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = mlflow.artifacts.download_artifacts(version.uri, dst_path=str(folder / "downloaded"))
    # The same command, by a Python that need not be on the PATH.
    command, environment = scoring_server.get_cmd(place, port, "127.0.0.1", nworkers=1)
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", *shlex.split(command)], env=environment, stdout=log, stderr=log
        )

    def post(path, body):
        found = served.send(port, "POST", path, body, served.JSON)
        return found.status, found.json

    try:
        wait_for(process, port)
        yield post
    finally:
        process.kill()
        process.wait()


def wait_for(process, port):
    """Waits until a server that was started answers."""
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        assert process.poll() is None, "the server has ended"
        with contextlib.suppress(OSError):
            if served.send(port, "GET", "/ping").status == 200:
                return
        time.sleep(0.2)


def ask(post, questions, **params):
    """Returns the answers of a server to pairs of (question, context) in one request."""
    inputs = [{"question": question, "context": context} for question, context in questions]
    status, found = post("/invocations", {"inputs": inputs, "params": params})
    assert status == 200, found
    return found["predictions"]


def ask_one(post, pair):
    """Returns the answer of `squadron serve` to one question."""
    status, found = post("/answer", {"question": pair[0], "context": pair[1]})
    assert status == 200, found
    return found["answer"]


def read_evaluated(evaluation):
    """Returns the text, the best span, its score and its probability of each question."""
    texts = json.loads((evaluation / "select/answers.json").read_text())
    best = json.loads((evaluation / "select/nbest.json").read_text())
    return [(text, best[question][0]) for question, text in texts.items()]


def assert_as_evaluated(rows, evaluation, probability_error=1e-6):
    """Asserts that answers to the first questions are those of the evaluation."""
    for row, (text, best) in zip(rows, read_evaluated(evaluation), strict=False):
        assert (row["text"], row["best_text"]) == (text, best["text"])
        span = (best["start_char"], best["end_char"]) if text else (-1, -1)
        assert (row["start_char"], row["end_char"]) == span
        assert row["probability"] == pytest.approx(best["probability"], abs=probability_error)


PAIRS = [(question, context) for question, context, _ in QUESTIONS]
GOLDS = [[answer] if answer else [] for *_, answer in QUESTIONS]


def find_error(evaluation):
    """Returns by how much a probability may change if windows are batched in another way.

    Sums are then added in another order, which changes the last digits of a score. The probability
    changes by at most a quarter of the calibration's slope times as much.
    """
    result = read_record(ContenderResult, evaluation / "metrics.json")
    return max(1e-6, result.answering.calibration.slope / 4 * SCORE_ERROR)


def assert_registered_figure(rows, version):
    """Asserts that the exact match of the answers is the one that the version has as a tag."""
    exact = score_answers(GOLDS, [row["text"] for row in rows])[0]
    assert f"{100 * exact.mean():.4f}" == version.tags["select_exact_match"]
    # The comparison is worth something: the model gives many answers, and right ones.
    assert exact.mean() > 0.3
    assert len({row["text"] for row in rows}) > 20


PAIRS = [(question, context) for question, context, _ in QUESTIONS]
GOLDS = [[answer] if answer else [] for *_, answer in QUESTIONS]


@pytest.mark.parametrize("label", CONTENDERS)
def test_mlflow_serves_the_evaluated_answers(folder, label):
    found = register(folder, label)
    with mlflow_here(found.version) as post:
        together = ask(post, PAIRS)
        alone = [ask(post, [pair])[0] for pair in PAIRS[:21]]
    assert len(together) == len(read_evaluated(found.evaluation)) >= 200
    assert_as_evaluated(together, found.evaluation)
    assert_registered_figure(together, found.version)
    assert_as_evaluated(alone, found.evaluation, find_error(found.evaluation))


@pytest.mark.parametrize("label", CONTENDERS)
def test_squadron_serves_the_evaluated_answers(folder, label):
    found = register(folder, label)
    with squadron_here(found.version) as post, ThreadPoolExecutor(16) as clients:
        together = ask(post, PAIRS)
        # The server joins questions of several clients into batches.
        at_once = list(clients.map(lambda pair: ask_one(post, pair), PAIRS))
    for rows in (together, at_once):
        assert len(rows) == len(PAIRS)
        assert_as_evaluated(rows, found.evaluation, find_error(found.evaluation))
        assert_registered_figure(rows, found.version)


def test_mlflow_models_serve_gives_the_evaluated_answers(folder, tmp_path):
    found = register(folder, "span")
    several = {"question": PAIRS[0][0], "contexts": [PAIRS[8][1], PAIRS[0][1]]}
    body = {"inputs": [several], "params": {"top_k": 3, "explain": True}}
    with mlflow_models_serve(found.version, tmp_path) as post:
        rows = ask(post, PAIRS)
        status, answer = post("/invocations", body)
        refused = post("/invocations", {"inputs": [several | {"question": None}]})
    assert_as_evaluated(rows, found.evaluation)
    assert status == 200
    (row,) = answer["predictions"]
    assert several["contexts"][row["context"]][row["start_char"] : row["end_char"]] == row["text"]
    assert len(row["alternatives"]) == 2
    assert {window["context"] for window in row["windows"]} == {0, 1}
    assert (refused[0], refused[1]["error_code"]) == (400, "INVALID_PARAMETER_VALUE")
    assert "stack_trace" not in refused[1]
