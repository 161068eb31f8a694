"""What MLflow keeps of a model, and what MLflow's own scoring server makes of it.

The server is mlflow/pyfunc/scoring_server/__init__.py of the installed package, in this process.
tests/integration/test_served_answers.py starts it as `mlflow models serve` does.
"""

import dataclasses
import json

import mlflow
import pytest
from fastapi.testclient import TestClient
from mlflow.models import Model
from mlflow.pyfunc import scoring_server
from mlflow.types import DataType, ParamSpec
from mlflow.types.schema import Array, Object

from squadron.answers.answering import Answering
from squadron.answers.calibration import Calibration
from squadron.answers.options import AnswerOptions
from squadron.config import Contender, Windows
from squadron.models import backbones, model_folder
from squadron.models.variants import span
from squadron.registry.logged_model import CONTEXT, EXAMPLE, QUESTION, save_model
from squadron.serving.wire import Answer, Params, Question
from tests import tiny_models

OWN = "Ada wrote it in 1843.\nNobody read it.\n"
GOOD = {"question": QUESTION, "context": CONTEXT}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model that keeps a text of its own, as MLflow stores it."""
    folder = tmp_path_factory.mktemp("saved")
    backbone = tiny_models.write_backbone(folder / "backbone")
    windows = Windows(max_length=64, stride=16, max_question_length=16)
    contender = Contender("span", backbone=backbone, windows=windows)
    model, tokenizer = span.build(backbone, span.Options()), backbones.load_tokenizer(backbone)
    about = {"made_from": "abc", "context": OWN}
    model_folder.write_model(folder / "model", model, tokenizer, contender, **about)
    answering = Answering(calibration=Calibration("platt", slope=0.5, intercept=-0.5))
    save_model(folder / "saved", folder / "model", answering)
    return folder / "saved"


@pytest.fixture(scope="module")
def server(saved):
    with pytest.MonkeyPatch.context() as patch:
        # `init` sets this for good.
        patch.setenv("_MLFLOW_IS_IN_SERVING_ENVIRONMENT", "true")
        app = scoring_server.init(mlflow.pyfunc.load_model(str(saved)))
        yield TestClient(app, raise_server_exceptions=False)


def post(server, body):
    # Not `json=`, which refuses half of a pair of surrogates and NaN.
    headers = {"Content-Type": "application/json"}
    return server.post("/invocations", content=json.dumps(body), headers=headers)


def test_the_signature_has_the_fields_of_questions_and_answers_and_the_params(saved):
    signature = Model.load(str(saved)).signature
    (question,), (answer,) = signature.inputs.input_types(), signature.outputs.input_types()
    assert isinstance(question, Object)
    needed = {each.name: each.required for each in question.properties}
    assert needed == {"question": True, "context": False, "contexts": False}
    assert {each.name for each in answer.properties} == set(Answer.model_fields)
    (alternatives,) = (each for each in answer.properties if each.name == "alternatives")
    assert isinstance(alternatives.dtype, Array)
    assert signature.params.params == [
        ParamSpec("top_k", DataType.long, 1),
        ParamSpec("threshold", DataType.double, None),
        ParamSpec("max_answer_tokens", DataType.long, None),
        ParamSpec("explain", DataType.boolean, False),
    ]


def test_the_params_on_the_wire_are_the_options_of_a_reader():
    defaults = {each.name: each.default for each in dataclasses.fields(AnswerOptions)}
    assert {name: field.default for name, field in Params.model_fields.items()} == defaults


def test_the_input_example_is_stored_and_answered(saved, server):
    serving = json.loads((saved / "serving_input_example.json").read_text())
    assert (serving["inputs"], serving["params"]) == EXAMPLE
    found = post(server, serving)
    assert found.status_code == 200
    (row,) = found.json()["predictions"]
    assert CONTEXT[row["start_char"] : row["end_char"]] == row["text"]
    assert len(row["alternatives"]) == 1
    Answer.model_validate(row, strict=True)


def test_params_change_the_answer(server):
    def ask(**params):
        found = post(server, {"inputs": [GOOD], "params": params})
        assert found.status_code == 200
        return found.json()["predictions"][0]

    plain = ask()
    assert plain == ask(top_k=1, threshold=None, max_answer_tokens=None, explain=False)
    assert ("windows" in plain, plain["alternatives"], plain["answered"]) == (False, [], True)
    assert len(ask(top_k=3)["alternatives"]) == 2
    unsure = ask(threshold=1000)
    assert (unsure["answered"], unsure["no_answer"], unsure["text"]) == (False, True, "")
    assert unsure["best_text"] == plain["text"]
    assert " " not in ask(max_answer_tokens=1)["text"]
    assert ask(explain=True)["windows"][0]["is_best"]


def test_several_contexts_and_the_text_of_the_model_itself_are_read(server):
    several = {"question": QUESTION, "contexts": [CONTEXT, OWN, "Nobody wrote it."]}
    rows = post(server, {"inputs": [several, {"question": QUESTION}]}).json()["predictions"]
    context = several["contexts"][rows[0]["context"]]
    assert context[rows[0]["start_char"] : rows[0]["end_char"]] == rows[0]["text"]
    assert OWN[rows[1]["start_char"] : rows[1]["end_char"]] == rows[1]["text"]
    assert 0 < rows[1]["probability"] <= rows[0]["probability"] < 1


WRONG = [
    ({"inputs": [GOOD | {"context": 5}]}, "Input should be a valid string"),
    ({"inputs": [GOOD | {"context": None}]}, "context is null; leave it out or give text"),
    ({"inputs": [GOOD | {"question": None}]}, "Input should be a valid string"),
    ({"inputs": [GOOD, {"context": CONTEXT}]}, "Field required"),
    ({"inputs": [GOOD | {"more": 1}]}, "Extra inputs are not permitted"),
    ({"inputs": [GOOD | {"question": "\ud800"}]}, "no valid Unicode"),
    ({"inputs": [GOOD | {"contexts": [CONTEXT]}]}, "give one of the two"),
    ({"inputs": ["text"]}, "Expecting example to be a dictionary"),
    ({"inputs": GOOD}, "Expected list, but got dict"),
    ({"instances": [GOOD]}, "must be a dictionary with 'inputs' key"),
    ({"inputs": [GOOD], "params": {"top_k": "3"}}, "Invalid parameters found"),
    ({"inputs": [GOOD], "params": {"top_k": None}}, "params.top_k must be a whole number"),
    ({"inputs": [GOOD], "params": {"top_k": 21}}, "params.top_k is 21; it must be at most 20"),
    ({"inputs": [GOOD], "params": {"threshold": float("nan")}}, "must be a finite number"),
    ({"inputs": [GOOD], "params": {"max_answer_tokens": 0}}, "is 0; it must be at least 1"),
    ({"inputs": [GOOD], "params": {"explain": 1}}, "Invalid parameters found"),
    ({"inputs": [GOOD], "params": 1}, "Parameters must be a dictionary"),
]


@pytest.mark.parametrize(("body", "words"), WRONG)
def test_the_scoring_server_refuses_what_cant_be_used(server, body, words):
    found = post(server, body)
    assert found.status_code == 400
    assert words in found.json()["message"]
    assert "Traceback" not in found.text
    assert "stack_trace" not in found.json()


def test_python_may_ask_with_objects_and_frames_as_well(saved):
    import pandas as pd

    model = mlflow.pyfunc.load_model(str(saved))
    (row,) = model.predict([GOOD])
    assert model.predict([Question(**GOOD)]) == [row]
    assert model.predict(pd.DataFrame([GOOD])) == [row]
    assert model.predict([]) == []


def test_a_model_without_a_text_of_its_own_needs_a_context(saved):
    model = mlflow.pyfunc.load_model(str(saved)).unwrap_python_model()
    model._own_context = ""
    sentence = r"inputs\[1\].context is missing; give the text to look for the answer in"
    with pytest.raises(mlflow.exceptions.MlflowException, match=sentence):
        model.predict([GOOD, {"question": QUESTION}])
