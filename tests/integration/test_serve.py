"""`squadron serve` as a process: it answers, drains, follows an alias, and survives nonsense."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest

from squadron import registry, tracking
from squadron.answers.answering import Answering
from tests import served, tiny_models
from tests.limits import PATIENCE_SECONDS
from tests.malformed import make_requests
from tests.served import GOOD, JSON
from tests.stores import make_store

pytestmark = pytest.mark.slow

NAME = "served"
LONG = " ".join(context for _, context, _ in tiny_models.EIGHT_QUESTIONS) * 5
MALFORMED = 2_000
WARM_UP = 400
MOST_GROWTH_MB = 24
"""The pools of the allocator grow and shrink by some megabytes; a leak of the bodies sent would be
some hundred."""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with three versions of a model; the files of the third are damaged."""
    folder = tmp_path_factory.mktemp("serve")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv(tracking.URI_VARIABLE, make_store(folder))
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        for number in (1, 2, 3):
            before = set(folder.rglob("artifacts/**/*.safetensors"))
            answering = Answering(null_threshold=-1e9)
            served.register_version(
                folder, NAME, f"0{number}23abc", seed=number, answering=answering
            )
        for file in set(folder.rglob("artifacts/**/*.safetensors")) - before:
            file.write_bytes(b"damaged")
        registry.promote(NAME, "1", registry.STAGING)
    return folder


@pytest.fixture(autouse=True)
def environment(store, monkeypatch):
    monkeypatch.chdir(store)
    monkeypatch.setenv(tracking.URI_VARIABLE, f"sqlite:///{store}/mlflow.db")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.delenv("SQUADRON_SERVE_TOKEN", raising=False)


def read_log(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@contextlib.contextmanager
def serving(folder, *arguments):
    """Runs the server on a free port and waits until it listens."""
    log, errors = folder / "log.jsonl", folder / "errors.txt"
    with log.open("wb") as out, errors.open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "squadron", "serve", "--port", "0", *arguments],
            stdout=out,
            stderr=err,
        )
    try:
        until = time.monotonic() + PATIENCE_SECONDS
        found = None
        while not found and process.poll() is None and time.monotonic() < until:
            time.sleep(0.05)
            found = re.search(r"Serving (.*) at http://127\.0\.0\.1:(\d+)\n", errors.read_text())
        assert found, errors.read_text()
        yield SimpleNamespace(
            process=process, port=int(found[2]), what=found[1], log=log, errors=errors
        )
    finally:
        process.kill()
        process.wait()


def test_it_answers_what_it_has_after_sigterm_and_ends_with_code_0(tmp_path):
    with serving(tmp_path, "--drain-seconds", "1") as server:
        assert server.what == "served version 1, which follows the alias staging"
        assert served.send(server.port, "POST", "/answer", GOOD, JSON).json["model"] == {
            "name": NAME,
            "version": "1",
        }
        replies = []
        body = {"inputs": [{"question": "Who?", "context": LONG}] * 100}

        def ask():
            replies.append(served.send(server.port, "POST", "/invocations", body, JSON))

        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        while (
            "squadron_queue_length 0.0" in served.send(server.port, "GET", "/metrics").body.decode()
        ):
            time.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        while served.send(server.port, "GET", "/v2/health/ready").status == 200:
            time.sleep(0.01)
        # It is not ready any more, and still answers.
        assert served.send(server.port, "POST", "/answer", GOOD, JSON).status == 200
        for thread in threads:
            thread.join()
        assert [len(reply.json["predictions"]) for reply in replies] == [100] * 4
        assert server.process.wait(PATIENCE_SECONDS) == 0
        with pytest.raises(ConnectionRefusedError):
            served.send(server.port, "GET", "/ping")
    events = [line["event"] for line in read_log(server.log)]
    assert (events[0], events[-1]) == ("started", "ended")
    assert "draining" in events


def test_sigterm_ends_it_also_while_it_loads():
    """The first process of a container gets only the signals that it handles itself."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = free.getsockname()
    command = [sys.executable, "-m", "squadron", "serve", "--model", "starter"]
    with subprocess.Popen([*command, "--port", str(place[1])], stdout=subprocess.PIPE) as process:
        # The socket is open before the model is loaded, which takes seconds.
        while process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(place).close()
                break
        process.terminate()
        said, _ = process.communicate()
    assert (process.returncode, said) == (128 + signal.SIGTERM, b"")


def test_it_follows_the_alias_under_load_without_a_failed_request(tmp_path):
    with serving(tmp_path, "--model", NAME, "--follow-seconds", "0.2") as server:
        statuses, versions, stop = Counter(), [], threading.Event()

        def ask():
            while not stop.is_set():
                try:
                    reply = served.send(server.port, "POST", "/answer", GOOD, JSON)
                except OSError as error:
                    statuses[repr(error)] += 1
                    continue
                statuses[reply.status] += 1
                versions.append(reply.json["model"]["version"])

        def wait_for(event, version):
            while not any(
                (line["event"], line.get("version")) == (event, version)
                for line in read_log(server.log)[seen:]
            ):
                time.sleep(0.05)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for version, event in (("2", "switched"), ("3", "version failed"), ("1", "switched")):
            seen = len(read_log(server.log))
            registry.promote(NAME, version, registry.STAGING)
            if version == "1":
                # Version 3 failed, so version 2 still answers.
                assert served.send(server.port, "GET", "/about").json["version"] == "2"
            wait_for(event, version)
            before = len(versions)
            while len(versions) < before + 50:
                time.sleep(0.01)
            assert versions[-1] == ("2" if version == "3" else version)
        stop.set()
        for thread in threads:
            thread.join()
        figures = served.send(server.port, "GET", "/metrics").body.decode()
    assert set(statuses) == {200}
    assert set(versions) == {"1", "2"}
    assert 'squadron_model_switches_total{outcome="switched"} 2.0' in figures
    assert 'squadron_model_switches_total{outcome="failed"} 1.0' in figures


def send_bytes(port, request):
    """Sends bytes and returns the status and the body of the response."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as connection:
        with contextlib.suppress(OSError):  # The server may answer before it has read all.
            connection.sendall(request)
        parts = []
        with contextlib.suppress(OSError):
            while part := connection.recv(65536):
                parts.append(part)
                head, _, body = b"".join(parts).partition(b"\r\n\r\n")
                length = re.search(rb"content-length: (\d+)", head)
                if length and len(body) >= int(length[1]):
                    break
    answer = b"".join(parts)
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]) if head else 0, body


def read_memory(process):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells the memory")
def test_malformed_requests_get_a_sentence_and_cost_nothing(tmp_path):
    with serving(tmp_path, "--model", NAME, "--body-seconds", "2") as server:
        slow = []

        def send_slowly(first):
            head = b"POST /answer HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            slow.append(send_bytes(server.port, head + b"Content-Length: 900\r\n\r\n" + first))

        threads = [
            threading.Thread(target=send_slowly, args=(b'{"question": "' + b"a" * n,))
            for n in range(20)
        ]
        for thread in threads:
            thread.start()
        before = 0.0
        statuses = Counter()
        for number, request in enumerate(make_requests(MALFORMED, seed=12)):
            if number == WARM_UP:
                before = read_memory(server.process)
            status, body = send_bytes(server.port, request)
            shown = request[:300]
            assert 400 <= status < 500, (status, shown, body[:300])
            error = json.loads(body)
            assert (
                {"error_code", "message", "field"}
                <= set(error)
                <= {
                    "error_code",
                    "message",
                    "field",
                    "error",
                }
            )
            message = error["message"]
            assert message.isprintable(), (shown, message)
            assert 10 < len(message) < 600, (shown, message)
            assert "Traceback" not in message
            statuses[status] += 1
        growth = read_memory(server.process) - before
        for thread in threads:
            thread.join()
        assert {status for status, _ in slow} == {408}
        # It still answers.
        assert served.send(server.port, "POST", "/answer", GOOD, JSON).status == 200
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(PATIENCE_SECONDS) == 0
    assert {400, 404, 405, 413, 415, 422} <= set(statuses)
    assert growth < MOST_GROWTH_MB
    text = server.log.read_text() + server.errors.read_text()
    assert "Traceback" not in text
    assert "traceback" not in text
    assert all(line.get("status", 400) < 500 for line in read_log(server.log))


def test_the_token_comes_from_a_file_or_the_environment(tmp_path, monkeypatch):
    file = tmp_path / "token"
    file.write_text("secret-1\n")
    headers = {**JSON, "Authorization": "Bearer secret-1"}
    with serving(tmp_path, "--model", NAME, "--token-file", str(file)) as server:
        assert served.send(server.port, "POST", "/answer", GOOD, JSON).status == 401
        assert served.send(server.port, "POST", "/answer", GOOD, headers).status == 200
    assert "secret-1" not in server.log.read_text() + server.errors.read_text()


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "squadron", "serve", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=PATIENCE_SECONDS,
    )


def test_what_is_wrong_at_the_start_is_one_sentence(tmp_path):
    empty = tmp_path / "empty"
    empty.write_text(" ")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        for arguments, sentence in (
            (("--port", port), f"The server can't listen at 127.0.0.1, port {port}: "),
            (("--port", "0", "--model", "nothing"), "The model 'nothing' is neither a folder nor"),
            (("--max-queue", "0"), "max_queue: 0 is not allowed; more than 0"),
            (("--token-file", str(empty)), "must hold one token of printable ASCII characters"),
            (("--token-file", "no/such"), "--token-file: no/such can't be read: "),
        ):
            done = run(*arguments)
            assert done.returncode == 2
            assert sentence in done.stderr
            assert len(done.stderr.strip().splitlines()) == 1
