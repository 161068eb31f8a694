"""A Kubeflow Pipelines API server for tests, with scripted answers, which keeps requests.

It answers what `submit` asks and nothing else; what it accepts proves nothing about a real server.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

API = "/apis/v2beta1"
RUN_ID = "0b1c2d3e-run"
EXPERIMENT_ID = "9f8e7d6c-experiment"


@dataclass
class Request:
    """A request that arrived."""

    method: str
    path: str
    """The path after /apis/v2beta1."""
    query: dict[str, list[str]]
    headers: dict[str, str]
    """The headers, with names in lower case."""
    body: Any


@dataclass
class Script:
    """The answers of the server, and the requests that it got."""

    multi_user: bool = True
    experiment_exists: bool = False
    states: list[str] = field(default_factory=lambda: ["SUCCEEDED"])
    """The states of the run, one for each GET. The last one is repeated."""
    error: str = ""
    """The error message of the run."""
    answers: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    """"METHOD /path" -> (status, body) to answer instead, one per request, then as usual."""
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    @property
    def calls(self) -> list[str]:
        return [f"{request.method} {request.path}" for request in self.requests]

    def answer(self, request: Request) -> tuple[int, str]:
        call = f"{request.method} {request.path}"
        if self.answers.get(call):
            return self.answers[call].pop(0)
        experiment = {"experiment_id": EXPERIMENT_ID, "display_name": "any"}
        run = {"run_id": RUN_ID, "display_name": "any"}
        if call == "GET /healthz":
            return 200, json.dumps({"multi_user": self.multi_user})
        if call == "GET /experiments":
            return 200, json.dumps({"experiments": [experiment]} if self.experiment_exists else {})
        if call == "POST /experiments":
            return 200, json.dumps(experiment)
        if call == "POST /runs":
            return 200, json.dumps({**run, "state": "PENDING"})
        if call == f"GET /runs/{RUN_ID}":
            state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
            error = {"error": {"code": 2, "message": self.error}} if self.error else {}
            return 200, json.dumps({**run, "state": state, **error})
        return 404, json.dumps({"error": "Not Found", "code": 5, "message": "Not Found"})


@contextmanager
def running_kfp_server(script: Script) -> Iterator[Script]:
    """Serves a script on a free port, and sets its `url`."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            text = self.rfile.read(length)
            request = Request(
                method=self.command,
                path=parts.path.removeprefix(API),
                query=parse_qs(parts.query),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=json.loads(text) if text else None,
            )
            script.requests.append(request)
            status, body = script.answer(request)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        do_POST = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Prints nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield script
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
