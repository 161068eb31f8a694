"""The routes and formats of mlflow/pyfunc/scoring_server/__init__.py (MLflow 3.17).

MLflow's own server is asked the same.
"""

import json

import pytest

from squadron.answers.answering import Answering
from squadron.serving.errors import RequestError
from squadron.serving.mlflow_routes import read_rows
from squadron.serving.wire import Answer
from tests import tiny_models
from tests.served import GOOD, JSON

ROWS = [{"question": q, "context": c} for q, c, _ in tiny_models.EIGHT_QUESTIONS]
FORMATS = {
    "inputs": {"inputs": ROWS},
    "instances": {"instances": ROWS},
    "records": {"dataframe_records": ROWS},
    "split": {
        "dataframe_split": {
            "index": list(range(8)),
            "columns": ["question", "context"],
            "data": [list(row.values()) for row in ROWS],
        }
    },
    "columns": {"inputs": {key: [row[key] for row in ROWS] for key in ("question", "context")}},
}


@pytest.mark.parametrize("name", FORMATS)
def test_all_formats_mean_the_same(serve, name):
    server = serve()
    reply = server.post("/invocations", FORMATS[name])
    assert reply.status == 200
    assert set(reply.json) == {"predictions"}
    for found, row in zip(reply.json["predictions"], ROWS, strict=True):
        alone = server.post("/answer", row).json["answer"]
        # Eight questions are one batch here, and sums in another order differ in their last digits.
        close = {key: pytest.approx(alone[key], abs=1e-5) for key in ("score", "probability")}
        assert found == {**alone, **close}


def test_params_are_for_all_rows(serve):
    server = serve()
    body = {**FORMATS["inputs"], "params": {"top_k": 3, "explain": True}}
    rows = server.post("/invocations", body).json["predictions"]
    assert all(len(row["alternatives"]) == 2 and row["windows"] for row in rows)
    assert server.post("/invocations", {**FORMATS["inputs"], "params": None}).status == 200
    assert server.post("/invocations", {"inputs": []}).json == {"predictions": []}


BAD = [
    ([GOOD], None, "The body is a list; send a JSON object with `inputs`"),
    ({}, None, "The body has none of inputs, instances, dataframe_records, dataframe_split"),
    ({"inputs": [], "instances": []}, None, "The body has inputs and instances of inputs,"),
    ({"inputs": [], "x": 1}, "x", "The body has the key 'x'; leave it out"),
    ({"inputs": 5}, "inputs", "inputs is a number; give a list of questions"),
    ({"inputs": [5]}, "inputs[0]", "inputs[0] must be an object, and it is a number"),
    ({"inputs": [GOOD, {"question": "a"}]}, "inputs[1].context", "is missing"),
    ({"inputs": [GOOD] * 4}, "inputs[0]", "The request has 4 questions; at most 3 are allowed"),
    ({"inputs": {"question": ["a"], "context": "b"}}, "inputs.context", "another length"),
    ({"inputs": {"question": 1}}, "inputs.question", "must be text"),
    ({"inputs": [GOOD], "params": 5}, "params", "params must be an object, and it is a number"),
    ({"inputs": [GOOD], "params": {"top_k": 0}}, "params.top_k", "must be at least 1"),
    ({"dataframe_records": {}}, "dataframe_records", "is an object; give a list"),
    ({"dataframe_split": []}, "dataframe_split", "must be an object with `columns`"),
    ({"dataframe_split": {"data": []}}, "dataframe_split.columns", "must be a list of names"),
    ({"dataframe_split": {"columns": ["a", "a"], "data": []}}, "dataframe_split.columns", "twice"),
    ({"dataframe_split": {"columns": ["a"], "data": 1}}, "dataframe_split.data", "is a number"),
    ({"dataframe_split": {"columns": ["a"], "data": [[]]}}, "dataframe_split.data[0]", "a list of"),
]


def test_what_is_wrong_is_named_with_its_field(serve):
    server = serve(max_questions=3)
    for body, field, message in BAD:
        reply = server.post("/invocations", body)
        assert (reply.status, reply.json["field"]) == (422, field), (body, reply.body)
        assert message in reply.json["message"]


def test_a_row_without_lists_is_one_row():
    assert read_rows({"inputs": GOOD}) == ([GOOD], ["inputs"], {})
    contexts = {"question": "a", "contexts": ["b", "c"]}
    assert read_rows({"instances": contexts})[0] == [contexts]
    with pytest.raises(RequestError):
        read_rows({"inputs": None})


def test_health_and_version_are_those_of_mlflow(serve):
    from mlflow.version import VERSION

    server = serve()
    for path in ("/ping", "/health"):
        reply = server.get(path)
        assert (reply.status, reply.body) == (200, b"\n")
        assert reply.headers["content-type"] == "application/json"
    assert server.get("/version").body.decode() == VERSION


@pytest.mark.slow
def test_mlflows_own_server_gives_the_same_predictions(serve, model, tmp_path):
    import mlflow
    from mlflow.pyfunc import scoring_server
    from starlette.testclient import TestClient

    from squadron.models import model_folder
    from squadron.registry.logged_model import save_model

    answering = model_folder.read_answering(model) or Answering()
    save_model(tmp_path / "saved", model, answering)
    theirs = TestClient(scoring_server.init(mlflow.pyfunc.load_model(str(tmp_path / "saved"))))
    ours = serve()
    for params in ({}, {"top_k": 3}, {"explain": True, "max_answer_tokens": 2}):
        body = {"inputs": ROWS, "params": params}
        expected = theirs.post("/invocations", content=json.dumps(body), headers=JSON)
        assert expected.status_code == 200
        found = ours.post("/invocations", body).json
        for row in found["predictions"]:
            Answer.model_validate(row, strict=True)
        assert found == expected.json()
    for path in ("/ping", "/health", "/version"):
        expected = theirs.get(path)
        reply = ours.get(path)
        assert (reply.status, reply.body) == (expected.status_code, expected.content)
        assert reply.headers["content-type"] == expected.headers["content-type"]
