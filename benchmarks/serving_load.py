"""Servers in processes of their own, and clients that ask them, for bench_serving.py."""

import contextlib
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START_SECONDS = 180.0
HOST = "127.0.0.1"
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    port: int
    path: str
    """The path to which questions are sent."""
    dump: Callable[[str, str], bytes]
    """From a question and its context to the body of a request."""
    find_version: Callable[[Any], str] = lambda answer: ""
    """From the JSON of an answer to the version that gave it."""


@contextlib.contextmanager
def running(command: Sequence[str], port: int, log: Path) -> Iterator[None]:
    """Starts a server and waits until its /ping answers; ends it at the end of the block."""
    # `mlflow models serve` looks for the program uvicorn, which must be the one of this Python.
    program = log.parent / "bin" / "uvicorn"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m uvicorn "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [*command, "--port", str(port)],
            env={**os.environ, "PATH": path},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait(process, port, log)
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _wait(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError):
            connection = http.client.HTTPConnection(HOST, port, timeout=5)
            connection.request("GET", "/ping")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise RuntimeError(f"The server did not start:\n{log.read_text(errors='replace')[-3000:]}")


def find_port() -> int:
    """Returns a port that is free now."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        return int(free.getsockname()[1])


class Client:
    """One client with one connection, which is opened again if the server closed it.

    Args:
        server: The server.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._connection = http.client.HTTPConnection(HOST, server.port, timeout=120)

    def ask(self, question: str, context: str) -> Any:
        """Returns the JSON of an answer.

        Raises:
            RuntimeError: If the status is not 200.
            OSError: If the connection fails.
        """
        server = self._server
        self._connection.request("POST", server.path, server.dump(question, context), JSON)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"status {answer.status}: {content[:200]!r}")
        return json.loads(content)


@dataclass
class Load:
    """The times, errors and versions that many clients counted."""

    seconds: list[float] = field(default_factory=list)
    """The time of each request that was answered."""
    errors: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    """Version -> the requests that it answered."""
    wall_seconds: float = 0.0

    def figures(self) -> dict[str, Any]:
        """Returns the figures for the report; times in milliseconds."""
        ordered = sorted(self.seconds)
        return {
            "requests": len(ordered),
            "requests_per_second": len(ordered) / self.wall_seconds,
            "p50_ms": 1000 * statistics.median(ordered),
            "p99_ms": 1000 * ordered[int(0.99 * (len(ordered) - 1))],
            "failed": sum(self.errors.values()),
            "errors": dict(self.errors.most_common(5)),
            "versions": dict(self.versions),
        }


def put_load(
    server: Server,
    questions: Sequence[tuple[str, str]],
    clients: int,
    seconds: float,
    meanwhile: Callable[[], None] = lambda: None,
) -> Load:
    """Lets clients ask, each one question after the other.

    Args:
        server: The server.
        questions: Pairs of question and context, asked in turns.
        clients: How many ask at once.
        seconds: For how long.
        meanwhile: Runs in this thread while they ask.
    """
    load, lock = Load(), threading.Lock()
    start = time.perf_counter()

    def ask(first: int) -> None:
        client, number = Client(server), first
        while time.perf_counter() - start < seconds:
            began = time.perf_counter()
            try:
                answer = client.ask(*questions[number % len(questions)])
            except (OSError, RuntimeError, http.client.HTTPException) as error:
                with lock:
                    load.errors[f"{type(error).__name__}: {error}"[:200]] += 1
                client = Client(server)
            else:
                with lock:
                    load.seconds.append(time.perf_counter() - began)
                    load.versions[server.find_version(answer)] += 1
            number += clients

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    meanwhile()
    for thread in threads:
        thread.join()
    load.wall_seconds = time.perf_counter() - start
    return load
