"""What a registered model's stored files are checked for before an alias moves."""

import shutil
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from squadron import tracking
from squadron.answers.answering import Answering
from squadron.config import Contender, Predict, Windows
from squadron.errors import InputError
from squadron.models import model_folder, variants
from squadron.models.backbones import load_tokenizer
from squadron.registry import registration, stored_model
from tests import tiny_models
from tests.stores import make_store

NAME = "model"
RACE = tracking.Race("stored", "89ab")
WEIGHTS = "artifacts/model/model.safetensors"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stored")
    backbone = tiny_models.write_backbone(folder / "backbone")
    contender = Contender(
        "span",
        label="span",
        backbone=backbone,
        windows=Windows(max_length=48, stride=8, max_question_length=16),
        predict=Predict(max_answer_tokens=7, precision="fp32", batch_size=3),
    )
    module = variants.load_variant("span")
    place = folder / "model"
    built = module.build(backbone, module.Options())
    model_folder.write_model(place, built, load_tokenizer(backbone), contender, made_from="m")
    return place


@pytest.fixture
def client(tmp_path, monkeypatch):
    """A client of a store with version 1 of another run, which is the candidate."""
    monkeypatch.setenv(tracking.URI_VARIABLE, make_store(tmp_path))
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    tracking.open_race(RACE, ["span"], {}, "sha")
    client = MlflowClient()
    client.create_registered_model(NAME)
    client.create_model_version(NAME, "file:///nowhere", run_id="another")
    client.set_registered_model_alias(NAME, "candidate", "1")
    return client


def register(model):
    return registration.register_model(
        NAME, tracking.find_child(RACE, "span"), model, Answering(0.5), {"licence": "mine"}
    )


def candidate(client):
    return str(client.get_model_version_by_alias(NAME, "candidate").version)


def numbers(client):
    return sorted(int(v.version) for v in client.search_model_versions(f"name = '{NAME}'"))


def logged(client):
    """The logged models of the contender's run."""
    run = client.get_run(tracking.find_child(RACE, "span"))
    wanted = f"source_run_id = '{run.info.run_id}'"
    return list(client.search_logged_models([run.info.experiment_id], filter_string=wanted))


def stored(uri):
    """The folder in which MLflow keeps a model."""
    found = MlflowClient().get_logged_model(uri.removeprefix("models:/"))
    return Path(unquote(urlparse(found.artifact_location).path))


def alter(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        (WEIGHTS, alter),
        (WEIGHTS, Path.unlink),
        ("artifacts/model/answering.json", alter),
        ("artifacts/model/variant.json", Path.unlink),
        ("code/squadron/reader.py", alter),
        ("artifacts/model", shutil.rmtree),
    ],
)
def test_a_model_that_is_stored_damaged_gets_no_version_and_moves_no_alias(
    client, model, monkeypatch, name, damage
):
    plain = registration.log_model

    def log_and_damage(*arguments):
        uri = plain(*arguments)
        damage(stored(uri) / name)
        return uri

    with monkeypatch.context() as patch:
        patch.setattr(registration, "log_model", log_and_damage)
        with pytest.raises(stored_model.DamagedError, match=f"The file {name}.* is missing or alt"):
            register(model)
    assert (numbers(client), candidate(client)) == ([1], "1")
    assert logged(client) == []
    assert register(model).version == candidate(client) == "2"
    assert len(logged(client)) == 1


def test_a_version_that_a_killed_process_left_damaged_is_replaced(client, model, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(registration, "_delete_spare_versions", lambda *some: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            register(model)
    (made,) = (v for v in client.search_model_versions(f"name = '{NAME}'") if v.version == 2)
    alter(stored(f"models:/{made.model_id or made.source.removeprefix('models:/')}") / WEIGHTS)
    assert register(model).version == "3"
    assert (numbers(client), candidate(client)) == ([1, 3], "3")
    assert len(logged(client)) == 1


def test_a_damaged_version_with_an_alias_stays_and_is_named(client, model):
    assert register(model).version == "2"
    client.set_registered_model_alias(NAME, "staging", "2")
    client.set_registered_model_alias(NAME, "candidate", "1")
    place = stored(client.get_model_version(NAME, "2").source)
    alter(place / WEIGHTS)
    with pytest.raises(InputError, match=f"The file {WEIGHTS} of models:/{NAME}/2 is missing or a"):
        register(model)
    assert (numbers(client), candidate(client)) == ([1, 2], "1")
    alter(place / WEIGHTS)
    assert register(model).version == candidate(client) == "2"


def test_files_that_cannot_be_read_now_cost_no_version(client, model, monkeypatch):
    register(model)
    client.delete_registered_model_alias(NAME, "candidate")

    def refuse(*arguments, **named):
        raise MlflowException("the bucket is away")

    with monkeypatch.context() as patch:
        patch.setattr("mlflow.artifacts.download_artifacts", refuse)
        with pytest.raises(InputError, match="can't be read back: the bucket is away"):
            register(model)
    assert numbers(client) == [1, 2]
    assert register(model).version == "2"
