"""Limits on bodies and time, the token, the log, and what Prometheus reads."""

import io
import json
import logging
import socket
import threading
import time

import pytest

from squadron.serving import logs
from squadron.serving.errors import RequestError
from squadron.serving.running import open_socket
from tests.limits import PATIENCE_SECONDS
from tests.served import GOOD, JSON


@pytest.fixture
def lines():
    """Returns the lines of the log once there are so many; a line comes after its answer."""
    stream = io.StringIO()
    logger = logging.getLogger("squadron.serving")
    before = logger.handlers, logger.propagate, logger.level
    logs.start_log(stream)

    def read(least):
        until = time.monotonic() + PATIENCE_SECONDS
        while stream.getvalue().count("\n") < least and time.monotonic() < until:
            time.sleep(0.005)
        return [json.loads(line) for line in stream.getvalue().splitlines()]

    yield read
    logger.handlers, logger.propagate, logger.level = before


def read_all(connection):
    return b"".join(iter(lambda: connection.recv(65536), b""))


def test_a_body_that_is_too_large_is_refused_before_it_is_read(serve):
    server = serve(max_body_bytes=1_000)
    head = "POST /answer HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    with server.connect() as connection:
        # Not a byte of the body is sent.
        connection.sendall(f"{head}Content-Length: 1000000000000\r\n\r\n".encode())
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    reply = server.post("/answer", {**GOOD, "context": "a" * 1_000})
    assert (reply.status, reply.json["error_code"]) == (413, "BODY_TOO_LARGE")
    assert reply.json["message"].startswith("The body has more than 1,000 bytes; send shorter")


def test_a_chunked_body_is_bounded_too(serve):
    server = serve(max_body_bytes=1_000)
    reply = server.send("POST", "/answer", iter([b" " * 300] * 4), JSON)
    assert reply.status == 413
    body = json.dumps(GOOD).encode()
    reply = server.send("POST", "/answer", iter([body[:20], body[20:]]), JSON)
    assert reply.status == 200


def test_a_slow_body_is_refused(serve):
    server = serve(body_seconds=0.2)
    with server.connect() as connection:
        head = "POST /answer HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
        connection.sendall(head.encode())
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"The body did not arrive in 0.2 s; send it at once" in answer


def test_slow_headers_end_the_connection(serve, monkeypatch):
    monkeypatch.setattr("squadron.serving.connections.HEADER_SECONDS", 0.2)
    server = serve()
    with server.connect() as connection:
        connection.sendall(b"GET /ping HT")
        assert read_all(connection) == b""
    assert server.get("/ping").status == 200


def test_a_client_that_goes_away_is_counted_and_nothing_else(serve, lines):
    server = serve()
    with server.connect() as connection:
        connection.sendall(b"POST /answer HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    (line,) = lines(1)
    assert (line["event"], line["status"]) == ("request", 499)
    assert "traceback" not in line


def test_a_request_that_takes_too_long_gets_504(serve):
    server = serve(request_seconds=0.2)
    go_on, begun = threading.Event(), threading.Event()
    server.service._batcher.call(lambda: (begun.set(), go_on.wait(60)))
    begun.wait(60)
    reply = server.post("/answer", GOOD)
    assert (reply.status, reply.json["error_code"]) == (504, "TIMED_OUT")
    assert reply.json["message"].startswith("There was no answer in 0.2 s; send fewer")
    go_on.set()
    # What was given up is not computed, and the next request is answered.
    assert serve().post("/answer", GOOD).status == 200


def test_a_full_queue_gets_429_with_the_time_to_wait(serve):
    server = serve(max_queue=1)
    go_on, begun = threading.Event(), threading.Event()
    server.service._batcher.call(lambda: (begun.set(), go_on.wait(60)))
    begun.wait(60)
    first = threading.Thread(target=server.post, args=("/answer", GOOD))
    first.start()
    while not server.service._batcher.length:
        pass
    reply = server.post("/answer", GOOD)
    go_on.set()
    first.join()
    assert (reply.status, reply.json["error_code"]) == (429, "QUEUE_FULL")
    assert int(reply.headers["retry-after"]) >= 1


def test_a_server_for_some_hosts_refuses_others(serve):
    server = serve(allowed_hosts=("localhost", "[::1]"))
    for host in ("localhost", f"LocalHost:{server.port}", "[::1]", "[::1]:80"):
        assert server.send("GET", "/about", headers={"Host": host}).status == 200, host
    for host in ("evil.example", "localhost.evil.example:80", "127.0.0.1", "[::2]", "[", ":80"):
        reply = server.send("GET", "/about", headers={"Host": host})
        assert (reply.status, reply.json["error_code"]) == (403, "FORBIDDEN_HOST"), host
        assert server.send("GET", "/ping", headers={"Host": host}).status == 200
    assert serve().send("GET", "/about", headers={"Host": "evil.example"}).status == 200


def test_the_token_is_needed_but_not_for_probes(serve):
    server = serve(token="secret-1")
    for path in ("/ping", "/health", "/v2/health/live", "/v2/health/ready"):
        assert server.get(path).status == 200
    for given in (
        "",
        "Bearer",
        "Bearer secret-2",
        "Bearer secret-11",
        "Basic secret-1",
        "secret-1",
    ):
        headers = {**JSON, "Authorization": given} if given else JSON
        reply = server.send("POST", "/answer", GOOD, headers)
        assert (reply.status, reply.json["error_code"]) == (401, "UNAUTHENTICATED")
        assert reply.headers["www-authenticate"] == "Bearer"
    for path in ("/about", "/metrics", "/docs", "/openapi.json", "/v2", "/nothing"):
        assert server.get(path).status == 401
    headers = {**JSON, "Authorization": "bearer  secret-1"}
    assert server.send("POST", "/answer", GOOD, headers).status == 200


def test_an_error_of_the_server_is_logged_and_the_client_gets_a_sentence(serve, lines, monkeypatch):
    server = serve()

    async def fail(asked):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(server.service, "answer", fail)
    reply = server.post("/answer", GOOD)
    assert (reply.status, reply.json["error_code"]) == (500, "INTERNAL_ERROR")
    assert "bug" not in reply.body.decode()
    line = lines(2)[0]
    assert "ZeroDivisionError: a bug" in line["traceback"]


def test_each_request_is_one_line_without_texts(serve, lines):
    server = serve()
    server.post("/answer", GOOD)
    server.post("/invocations", {"inputs": [GOOD, GOOD]})
    server.post("/answer", {"question": "secret?"})
    server.get("/ping")
    server.get("/metrics")
    first, second, third = found = lines(3)
    assert first.pop("ms") > 0
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "info",
        "event": "request",
        "method": "POST",
        "route": "/answer",
        "status": 200,
        "model": "span",
        "version": "",
        "questions": 1,
        "abstained": 0,
        "batch": 1,
    }
    assert (second["questions"], second["batch"]) == (2, 2)
    assert third["status"] == 422
    assert "staircase" not in json.dumps(found)
    assert "secret" not in json.dumps(found)


def test_texts_are_logged_if_that_is_asked_for(serve, lines):
    reply = serve(log_questions=True).post("/answer", GOOD)
    (line,) = lines(1)
    assert line["asked"] == [GOOD["question"]]
    assert line["answers"] == [reply.json["answer"]["text"]]


def test_prometheus_reads_what_happened(serve):
    from prometheus_client.parser import text_string_to_metric_families

    server = serve()
    replies = [server.post("/answer", GOOD).json["answer"] for _ in range(3)]
    server.post("/answer", {"question": 1})
    server.get("/no/such/path")
    reply = server.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=")
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(reply.body.decode())
        for sample in family.samples
    }
    assert found["squadron_requests_total", "/answer", "200"] == 3
    assert found["squadron_requests_total", "/answer", "422"] == 1
    assert found["squadron_requests_total", "404", "unknown"] == 1
    assert found["squadron_request_seconds_count", "/answer"] == 4
    assert found[("squadron_batch_questions_sum",)] == 3
    assert found[("squadron_tokens_total",)] > 3 * len(GOOD["context"]) / 8
    assert found[("squadron_queue_length",)] == 0
    assert found["squadron_answers_total", "yes"] == 3
    assert found["squadron_answers_total", "no"] == 0
    mean = sum(row["probability"] for row in replies) / 3
    assert found[("squadron_answer_probability_recent",)] == pytest.approx(mean)
    assert found[("squadron_answer_probability_sum",)] == pytest.approx(3 * mean)
    assert found["squadron_model_info", "", "", "span"] == 1
    assert found["squadron_model_switches_total", "failed"] == 0


def test_a_server_that_drains_answers_and_says_that_it_is_not_ready(serve):
    server = serve()
    server.gate.draining = server.service.draining = True
    for path in ("/v2/health/ready", "/v2/models/span/ready"):
        reply = server.get(path)
        assert (reply.status, reply.json["error_code"]) == (503, "NOT_READY")
    assert (server.get("/ping").status, server.get("/v2/health/live").status) == (503, 200)
    reply = server.post("/answer", GOOD)
    assert (reply.status, reply.headers["connection"]) == (200, "close")


def test_an_error_says_all_it_knows():
    error = RequestError(422, "x is wrong", "x")
    assert error.as_dict() == {
        "error_code": "INVALID_PARAMETER_VALUE",
        "message": "x is wrong",
        "field": "x",
    }


def test_small_answers_are_sent_at_once():
    listening = open_socket("127.0.0.1", 0)
    # asyncio sets TCP_NODELAY on connections of such a socket only.
    assert listening.proto == socket.IPPROTO_TCP
    listening.close()
