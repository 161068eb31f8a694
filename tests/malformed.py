"""Requests that no server may answer with anything but 4xx, made from a seed."""

import gzip
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from tests import tiny_models

QUESTION = {"question": "Who built it?", "context": tiny_models.LIBRARY}
PARAMS = {"top_k": 2, "threshold": 0.5, "max_answer_tokens": 4, "explain": False}
WRONG = {
    "question": (None, 5, True, [], {}, "", " \n\t", ["a"], "a" * 3_000, 1e300),
    "context": (None, 5, False, [], {}, "", "   ", ["a"], "a" * 250_000),
    "contexts": (None, "a", 7, {}, [], [1], [None], ["a", ""], [["a"]], ["a"] * 101),
    "top_k": (None, 0, -1, 21, 1.5, "2", True, [], {}, 10**30),
    "threshold": ("0", [], {}, True),
    "max_answer_tokens": (0, -5, 513, 2.5, "4", True, []),
    "explain": (None, 1, 0, "true", [], {}),
    "index": (None, 1, "true", False, []),
}
RAW = (
    b"",
    b" ",
    b"null",
    b"true",
    b"5",
    b'"text"',
    b"[]",
    b"{",
    b"}",
    b'{"question"',
    b'{"question": }',
    b"{'question': 'a'}",
    b'{"question": "a",}',
    b'{"question": NaN, "context": "a"}',
    b'{"question": "a", "context": "a", "threshold": Infinity}',
    b'{"question": "a", "context": "a", "threshold": 1e400}',
    b'{"question": "a", "context": "a", "top_k": ' + b"9" * 5_000 + b"}",
    b'{"question": "a", "question": "b", "context": "c"}',
    rb'{"question": "\ud800", "context": "a"}',
    rb'{"question": "a", "context": "\udfff x"}',
    b'{"question": "\xff\xfe", "context": "a"}',
    b'{"question": "\xed\xa0\x80", "context": "a"}',
    b'{"question": "\xc0\xaf", "context": "a"}',
    '{"question": "a", "context": "b"}'.encode("utf-16"),
    '{"question": "a", "context": "b"}'.encode("utf-32"),
    b"\xef\xbb\xbf" + b'{"question": "a", "context": "b"}',
    b'{"question": "a\nb", "context": "c"}',
    b'{"question": "a", "context": "\\x41"}',
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'{"question": ' + b"[" * 40 + b"]" * 40 + b', "context": "a"}',
    b"question=a&context=b",
    b"\x1f\x8b\x08" + bytes(50),
    b" " * 1_100_000,
)
TYPES = ("text/plain", "text/csv", "application/xml", "multipart/form-data; boundary=x", "json", "")
TYPES += ("application/json; charset=utf-16", "application/json; x=y", "application/vnd.api+json")


def make_requests(count: int, seed: int) -> Iterator[bytes]:
    """Yields requests as the bytes of HTTP/1.1."""
    chance = random.Random(seed)
    kinds: tuple[Callable[[random.Random], bytes], ...] = (
        _break_field,
        _break_field,
        _break_shape,
        _break_invocations,
        _cut,
        _send_raw,
        _mistype,
        _lose_the_way,
        _break_http,
    )
    for number in range(count):
        yield kinds[number % len(kinds)](chance)


def _request(
    method: str, path: str, body: bytes, content_type: str = "application/json", *more: str
) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *more]
    lines += [f"Content-Type: {content_type}"] if content_type else []
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1") + body


def _post(chance: random.Random, question: Any, params: dict[str, Any]) -> bytes:
    """A question to either route."""
    if chance.random() < 0.5 and isinstance(question, dict):
        return _request("POST", "/answer", json.dumps({**question, **params}).encode())
    body: dict[str, Any] = {"inputs": [QUESTION, question][chance.randrange(2) :]}
    return _request("POST", "/invocations", json.dumps({**body, "params": params}).encode())


def _break_field(chance: random.Random) -> bytes:
    """One field has a wrong value."""
    name = chance.choice(list(WRONG))
    value = chance.choice(WRONG[name])
    question, params = dict(QUESTION), {key: PARAMS[key] for key in PARAMS if chance.random() < 0.5}
    if name in PARAMS:
        params[name] = value
    else:
        question[name] = value
    if name == "contexts":
        del question["context"]
    return _post(chance, question, params)


def _break_shape(chance: random.Random) -> bytes:
    """A field is missing, unknown, or stands where it may not."""
    question: dict[str, Any] = dict(QUESTION)
    kind = chance.randrange(5)
    if kind == 0:
        del question[chance.choice(list(question))]
    elif kind == 1:
        question["".join(chance.choices("abc\n\u202e\0é\U0001f600", k=5))] = 1
    elif kind == 2:
        question["contexts"] = ["a"]
    elif kind == 3:
        question["index"] = True
    else:
        question["x" * chance.choice((1, 1_000, 100_000))] = {"a": [1, 2, 3]}
    return _post(chance, question, {})


def _break_invocations(chance: random.Random) -> bytes:
    """MLflow's formats with something wrong."""
    split = {"columns": ["question", "context"], "data": [list(QUESTION.values())]}
    bodies: tuple[Any, ...] = (
        {},
        {"inputs": [QUESTION], "instances": [QUESTION]},
        {"inputs": None},
        {"inputs": "text"},
        {"inputs": [None]},
        {"inputs": [[QUESTION]]},
        {"inputs": [QUESTION] * 300},
        {"inputs": [QUESTION], "params": []},
        {"inputs": [QUESTION], "params": {"temperature": 1}},
        {"inputs": [QUESTION], "signature_name": "x"},
        {"inputs": {"question": ["a"], "context": ["b", "c"]}},
        {"instances": 5},
        {"dataframe_records": {}},
        {"dataframe_split": split["data"]},
        {"dataframe_split": {**split, "columns": ["question", "question"]}},
        {"dataframe_split": {**split, "columns": [1, 2]}},
        {"dataframe_split": {**split, "data": [["a"]]}},
        {"dataframe_split": {**split, "data": "a"}},
        {"dataframe_split": {**split, "extra": 1}},
        {"messages": [{"role": "user", "content": "Who?"}]},
    )
    return _request("POST", "/invocations", json.dumps(chance.choice(bodies)).encode())


def _cut(chance: random.Random) -> bytes:
    """A good body that was cut, or of which one byte of structure was changed."""
    body = json.dumps(QUESTION).encode()
    if chance.random() < 0.5:
        return _request("POST", "/answer", body[: chance.randrange(1, len(body) - 1)])
    places = [place for place, byte in enumerate(body) if byte in b'{}":,'][:6]
    place = chance.choice(places)
    changed = body[:place] + bytes([chance.choice(b"\x00\x07;=|")]) + body[place + 1 :]
    return _request("POST", "/answer", changed)


def _send_raw(chance: random.Random) -> bytes:
    """A body that is no JSON object."""
    path = chance.choice(("/answer", "/invocations"))
    return _request("POST", path, chance.choice(RAW))


def _mistype(chance: random.Random) -> bytes:
    """A good body with another content type or encoding."""
    body = json.dumps(QUESTION).encode()
    if chance.random() < 0.3:
        encoding = chance.choice(("gzip", "br", "x" * 500))
        packed = gzip.compress(body)
        return _request(
            "POST", "/answer", packed, "application/json", f"Content-Encoding: {encoding}"
        )
    return _request("POST", "/answer", body, chance.choice(TYPES))


def _lose_the_way(chance: random.Random) -> bytes:
    """A path or a method that is not there."""
    paths = ("/answers", "/answer/", "//answer", "/../etc/passwd", "/%2e%2e/%00", "/v2/models/x")
    paths += ("/v3", "/" + "a" * 5_000, "/%ff%fe", "/v2/models/a%2Fb/ready", "/page.php?x=1")
    if chance.random() < 0.5:
        return _request(chance.choice(("GET", "POST", "PUT")), chance.choice(paths), b"{}")
    method = chance.choice(("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"))
    return _request(method, chance.choice(("/answer", "/about", "/ping", "/metrics")), b"{}")


def _break_http(chance: random.Random) -> bytes:
    """What is no HTTP, or a body of another length than it says."""
    head = b"POST /answer HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return chance.choice(
        (
            b"nonsense\r\n\r\n",
            b"GET / HTTQ/1.1\r\nHost: localhost\r\n\r\n",
            b"GET /ping HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100) + b"\r\n\r\n",
            b"GET /p\xc3\xa9 HTTP/1.1\r\nHost: localhost\r\n\r\n",
            head + b"Content-Length: -1\r\n\r\n",
            head + b"Content-Length: ten\r\n\r\n",
            head + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
            head + b"Content-Length: 99999999999999999999\r\n\r\n",
            head + b"Content-Length: 2000000\r\n\r\n{",
            head + b"Transfer-Encoding: chunked\r\n\r\n5\r\n[1,2]\r\n0\r\n\r\n",
            head + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n\r\n",
            head + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
        )
    )
