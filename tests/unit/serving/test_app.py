"""The routes of the server: what they answer, and what they refuse."""

import http.client
import json

import pytest

from squadron.answers.answering import Answering
from squadron.answers.options import AnswerOptions
from squadron.reader import Reader
from squadron.serving import answer_rows
from squadron.serving.settings import Settings
from squadron.serving.wire import Answer
from tests import served, tiny_models
from tests.limits import PATIENCE_SECONDS
from tests.served import GOOD, JSON


def test_it_answers_as_the_reader_does(serve, model):
    server = serve()
    reader = Reader.load(model)
    for question, context, _ in tiny_models.EIGHT_QUESTIONS:
        body = {"question": question, "context": context, "top_k": 3, "threshold": -99.5}
        reply = server.post("/answer", body)
        options = AnswerOptions(top_k=3, threshold=-99.5)
        asked = answer_rows.Asked(question, (context,), options)
        assert reply.status == 200
        assert reply.json == {
            "model": {"name": "span", "version": ""},
            "answer": answer_rows.answer(reader, [asked])[0],
        }
        Answer.model_validate(reply.json["answer"], strict=True)


def test_several_contexts_and_an_explanation(serve):
    body = {
        "question": "Where does the river rise?",
        "contexts": [tiny_models.LIBRARY, tiny_models.RIVER],
        "explain": True,
    }
    row = serve().post("/answer", body).json["answer"]
    assert {each["context"] for each in row["windows"]} == {0, 1}
    context = body["contexts"][row["context"]]
    assert context[row["start_char"] : row["end_char"]] == row["text"]


def test_a_model_that_keeps_a_context_needs_none(serve, tmp_path):
    folder = served.write_model(tmp_path, context=tiny_models.RIVER)
    server = serve(folder)
    row = server.post("/answer", {"question": "What did boats carry?"}).json["answer"]
    assert row["text"] in tiny_models.RIVER
    assert server.get("/about").json["keeps_context"] is True
    refused = serve().post("/answer", {"question": "What did boats carry?"})
    assert (refused.status, refused.json["field"]) == (422, "context")


def test_about_says_what_answers_and_the_limits(serve):
    about = serve(max_contexts=3).get("/about").json
    assert about == {
        "model": "span",
        "version": "",
        "alias": "",
        "variant": "span",
        "figures": {},
        "has_index": False,
        "keeps_context": False,
        "limits": Settings(max_contexts=3).limits(),
    }
    assert about["limits"]["max_contexts"] == 3
    assert about["limits"]["max_body_bytes"] == 1_000_000


def test_the_docs_list_every_route_and_load_nothing(serve):
    server = serve()
    routes = server.get("/openapi.json").json["paths"]
    assert {"/answer", "/invocations", "/about", "/metrics", "/v2/health/ready"} <= set(routes)
    page = server.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    text = page.body.decode()
    assert all(f"{path}</code>" in text for path in routes)
    assert "http" not in text.replace("HTTP", "")
    assert "<script" not in text


BAD = [
    (422, {"question": "Who?"}, "context", "context is missing; give the text to look for"),
    (422, {**GOOD, "question": 5}, "question", "question must be text, and it is a number"),
    (422, {**GOOD, "top_k": 21}, "top_k", "top_k is 21; it must be at most 20"),
    (422, {**GOOD, "index": True}, "context", "context stands beside `index`; give one of the two"),
    (422, {"question": "Who?", "index": 1}, "index", "index must be true, or be left out"),
    (422, {"question": "Who?", "index": True}, "index", "This server has no index; give the"),
    (422, {"question": " ", "index": True}, "question", "question has no words"),
    (422, {**GOOD, "x\n" * 500: 1}, ("x\n" * 500)[:100], "is no known field"),
    (422, {**GOOD, "question": "a" * 201}, "question", "201 characters; this server allows 200"),
    (422, {**GOOD, "context": "a" * 501}, "context", "501 characters; this server allows 500"),
    (422, {"question": "a", "contexts": ["a"] * 4}, "contexts", "4 texts; this server allows 3"),
    (422, {"question": "a", "contexts": ["a" * 300] * 2}, "contexts", "600 characters; this"),
    (422, [GOOD], None, "The body is no JSON object; send one with `question`"),
    (400, b"", None, "The body is empty; send a JSON object"),
    (400, b'{"question": NaN}', None, "The body has NaN, which is no JSON"),
]


def test_what_is_wrong_is_named_with_its_field(serve):
    server = serve(max_question_chars=200, max_context_chars=500, max_contexts=3)
    for status, body, field, message in BAD:
        reply = server.post("/answer", body)
        assert (reply.status, reply.json["field"]) == (status, field), (body, reply.body)
        assert message in reply.json["message"]
        assert set(reply.json) == {"error_code", "message", "field"}
        assert "\n" not in reply.json["message"]
        assert len(reply.json["message"]) < 500


def test_unknown_paths_and_methods_are_refused_in_the_same_shape(serve):
    server = serve()
    for method, path, status, code in (
        ("GET", "/nothing", 404, "NOT_FOUND"),
        ("GET", "/answer", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/about", 405, "METHOD_NOT_ALLOWED"),
        ("POST", "/%00\u00e9".encode().decode("latin-1").replace("Ã©", "%C3%A9"), 404, "NOT_FOUND"),
        ("BREW", "/answer", 405, "METHOD_NOT_ALLOWED"),
    ):
        reply = server.send(method, path, None if method == "GET" else b"{}", JSON)
        assert (reply.status, reply.json["error_code"]) == (status, code)
        assert reply.headers["content-type"] == "application/json"
    assert server.get("/answer").headers["allow"] == "POST"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "text/csv"},
        {"Content-Type": "application/json; charset=latin-1"},
        {"Content-Type": "application/json; boundary=x"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
)
def test_other_content_types_are_refused(serve, headers):
    server = serve()
    for path in ("/answer", "/invocations"):
        reply = server.send("POST", path, json.dumps(GOOD).encode(), headers)
        assert (reply.status, reply.json["error_code"]) == (415, "UNSUPPORTED_MEDIA_TYPE")


def test_a_charset_of_utf_8_is_taken(serve):
    headers = {"Content-Type": 'Application/JSON; charset="UTF-8"'}
    assert serve().send("POST", "/answer", GOOD, headers).status == 200


def test_what_is_no_http_gets_a_json_error(serve):
    with serve().connect() as connection:
        connection.sendall(b"nonsense\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["error_code"] == "BAD_REQUEST"


def test_connections_are_kept_for_several_requests(serve):
    connection = http.client.HTTPConnection("127.0.0.1", serve().port, timeout=PATIENCE_SECONDS)
    connection.connect()
    first = connection.sock
    for _ in range(3):
        connection.request("POST", "/answer", json.dumps(GOOD), JSON)
        assert connection.getresponse().read().startswith(b'{"model":')
        assert connection.sock is first
    connection.close()


def test_an_answer_that_abstains_is_said_and_counted(serve, tmp_path):
    folder = served.write_model(tmp_path, answering=Answering(null_threshold=1e9))
    server = serve(folder)
    row = server.post("/answer", GOOD).json["answer"]
    assert (row["answered"], row["no_answer"], row["text"], row["start_char"]) == (
        False,
        True,
        "",
        -1,
    )
    assert 'squadron_answers_total{answered="no"} 1.0' in server.get("/metrics").body.decode()
