"""Another MLflow store for a while: what it is called, and which credentials it gets."""

import os

import mlflow
import pytest

from squadron import tracking
from squadron.errors import InputError
from tests.stores import make_store

HERE = {"MLFLOW_TRACKING_USERNAME": "anna", "MLFLOW_TRACKING_PASSWORD": "geheim"}


@pytest.fixture
def here(tmp_path, monkeypatch):
    uri = make_store(tmp_path / "here")
    monkeypatch.setenv(tracking.URI_VARIABLE, uri)
    for name, value in HERE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", uri)
    monkeypatch.delenv("MLFLOW_TRACKING_TOKEN", raising=False)
    return uri


def test_another_store_is_used_inside_the_block_alone(here, tmp_path):
    there = make_store(tmp_path / "there")
    with tracking.use_store(there):
        tracking.connect_existing().create_registered_model("copied")
    assert mlflow.get_tracking_uri() == here
    assert tracking.tracking_uri() == here
    assert tracking.connect_existing().search_registered_models() == []
    with tracking.use_store(there):
        assert [m.name for m in tracking.connect_existing().search_registered_models()] == [
            "copied"
        ]


def test_another_store_gets_its_own_credentials_and_never_those_of_this_one(here, monkeypatch):
    monkeypatch.setenv("SQUADRON_REGISTRY_TOKEN", "theirs")
    with tracking.use_store("http://127.0.0.1:9"):
        assert not set(HERE) & set(os.environ)
        assert "MLFLOW_REGISTRY_URI" not in os.environ
        assert os.environ["MLFLOW_TRACKING_TOKEN"] == "theirs"
    assert {name: os.environ.get(name) for name in HERE} == HERE
    assert os.environ["MLFLOW_REGISTRY_URI"] == here
    assert "MLFLOW_TRACKING_TOKEN" not in os.environ


def test_messages_name_what_names_the_store(tmp_path, monkeypatch):
    missing = f"sqlite:///{tmp_path}/none.db"
    with tracking.use_store(missing), pytest.raises(InputError, match="let --to-registry name one"):
        tracking.connect_existing()
    monkeypatch.setenv(tracking.URI_VARIABLE, missing)
    with pytest.raises(InputError, match="or let MLFLOW_TRACKING_URI name their store"):
        tracking.connect_existing()
