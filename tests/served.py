"""A server of `squadron.serving` in a thread of this process, with a tiny real model."""

import asyncio
import http.client
import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

import uvicorn

from squadron.answers.answering import Answering
from squadron.config import Contender, Predict, Windows
from squadron.models import backbones, model_folder, variants
from squadron.registry import open_model
from squadron.serving.app import create_app
from squadron.serving.engine import load_engine
from squadron.serving.running import make_config, open_socket
from squadron.serving.service import Service
from squadron.serving.settings import Settings
from tests import tiny_models
from tests.limits import PATIENCE_SECONDS

GOOD = {"question": "Who built the staircase?", "context": tiny_models.LIBRARY}
JSON = {"Content-Type": "application/json"}


def write_model(
    folder: Path, *, seed: int = 0, answering: Answering | None = None, context: str = ""
) -> Path:
    """Writes the folder of a tiny span model that was not trained; returns its path."""
    backbone = tiny_models.write_backbone(folder / "backbone", seed=seed)
    windows = Windows(max_length=64, stride=16, max_question_length=16)
    predict = Predict(n_best=5, max_answer_tokens=8, precision="fp32")
    contender = Contender("span", label="span", backbone=backbone, windows=windows, predict=predict)
    variant = variants.load_variant("span")
    built = variant.build(backbone, variant.Options())
    place = folder / "model"
    model_folder.write_model(
        place, built, backbones.load_tokenizer(backbone), contender, made_from="", context=context
    )
    if answering:
        model_folder.write_answering(place, answering, made_from="")
    return place


def make_service(folder: Path, search: Any = None, **settings: Any) -> Service:
    """Returns a service that answers with the model of a folder."""
    with open_model(str(folder)) as opened:
        return Service(load_engine(opened), Settings(**settings), search)


class Served:
    """A server on a free port of 127.0.0.1, until it is closed."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.gate = create_app(service)
        self.server = uvicorn.Server(make_config(self.gate, service.settings))
        self._socket = open_socket("127.0.0.1", 0)
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        until = time.monotonic() + PATIENCE_SECONDS
        while not self.server.started and time.monotonic() < until:
            time.sleep(0.005)

    def _run(self) -> None:
        asyncio.run(self.server.serve(sockets=[self._socket]))

    def close(self) -> None:
        """Ends the server and its worker."""
        self.server.should_exit = self.server.force_exit = True
        self._thread.join()
        self.service.close()

    def connect(self) -> socket.socket:
        """Returns a connection for bytes that are no good HTTP."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_SECONDS)

    def send(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> "Reply":
        """Sends one request; a body that is no bytes is sent as JSON."""
        return send(self.port, method, path, body, headers)

    def post(self, path: str, body: Any) -> "Reply":
        """Sends a JSON body."""
        return self.send("POST", path, body, JSON)

    def get(self, path: str) -> "Reply":
        """Asks for a path."""
        return self.send("GET", path)


class Reply:
    """What a server answered."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        """The body as a JSON value."""
        return json.loads(self.body)


def send(
    port: int, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
) -> Reply:
    """Sends one request to 127.0.0.1; a body that is no bytes or iterator is sent as JSON."""
    if body is not None and not isinstance(body, bytes) and not hasattr(body, "__next__"):
        body = json.dumps(body).encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.headers.items()}
        return Reply(answer.status, found, answer.read())
    finally:
        connection.close()


def register_version(folder: Path, name: str, label: str, **model: Any) -> Any:
    """Registers a tiny model as the next version, which gets the alias `candidate`.

    MLFLOW_TRACKING_URI must name a store.

    Args:
        folder: A folder for its files.
        name: The name of the registered model.
        label: Tells the runs of versions apart.
        model: As for `write_model`.
    """
    from squadron import tracking
    from squadron.registry import registration

    answering = model.pop("answering", None) or Answering()
    place = write_model(folder / label, **model)
    race = tracking.Race("tiny", label)
    tracking.open_race(race, ["span"], {}, "sha")
    run_id = tracking.find_child(race, "span")
    return registration.register_model(name, run_id, place, answering, {})
