"""A ledger on a real store: each entry is written once, and each model has one ledger."""

import pytest
from mlflow import MlflowClient

from squadron import tracking
from squadron.errors import InputError
from squadron.tracking import ledger
from tests.stores import make_store

NAME = "model"


@pytest.fixture
def client(tmp_path, monkeypatch):
    uri = make_store(tmp_path)
    monkeypatch.setenv(tracking.URI_VARIABLE, uri)
    return MlflowClient(uri)


def test_an_entry_takes_its_first_text_and_no_other(client):
    place = ledger.open_ledger(client, NAME)
    assert ledger.add_entry(client, place, "staging.000001", "a")
    assert ledger.add_entry(client, place, "staging.000001", "a")
    assert not ledger.add_entry(client, place, "staging.000001", "b")
    assert ledger.read_entries(client, place) == {"staging.000001": "a"}


def test_each_model_has_one_ledger(client):
    assert ledger.find_ledger(client, NAME) == ""
    assert ledger.read_entries(client, "") == {}
    place = ledger.open_ledger(client, NAME)
    assert ledger.open_ledger(client, NAME) == ledger.find_ledger(client, NAME) == place
    assert ledger.open_ledger(client, "another") != place
    run = client.get_run(place)
    assert run.info.status == "FINISHED"
    assert "squadron history" in run.data.tags[tracking.NOTE_TAG]


def test_a_deleted_experiment_has_no_ledgers_and_takes_no_entry(client):
    ledger.open_ledger(client, NAME)
    client.delete_experiment(client.get_experiment_by_name(ledger.EXPERIMENT).experiment_id)
    assert ledger.find_ledger(client, NAME) == ""
    with pytest.raises(InputError, match="'squadron-promotions' is deleted; restore it"):
        ledger.open_ledger(client, NAME)
