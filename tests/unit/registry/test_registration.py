"""Two processes that register one run, made to meet at the worst moment."""

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from squadron.registry import registration
from tests.stores import make_store

NAME, RUN = "model", "0123456789abcdef0123456789abcdef"


@pytest.fixture
def client(tmp_path):
    """A store with versions 1 to 3 of one run."""
    client = MlflowClient(make_store(tmp_path))
    client.create_registered_model(NAME)
    for _ in range(3):
        client.create_model_version(NAME, str(tmp_path / "model"), run_id=RUN)
    return client


def numbers(client):
    return sorted(int(v.version) for v in client.search_model_versions(f"name = '{NAME}'"))


def test_spare_versions_of_a_run_are_deleted_but_those_with_an_alias(client):
    client.set_registered_model_alias(NAME, "staging", "2")
    registration._delete_spare_versions(client, NAME, RUN, "1")
    assert numbers(client) == [1, 2]


@pytest.mark.parametrize("at", ["search_model_versions", "get_model_version"])
def test_a_spare_version_that_another_process_deletes_at_this_moment_is_no_error(
    client, monkeypatch, at
):
    plain, other = getattr(client, at), MlflowClient(client.tracking_uri)

    def call(*arguments):
        found = plain(*arguments)
        if 3 in numbers(other):
            other.delete_model_version(NAME, "3")
        return found

    monkeypatch.setattr(client, at, call)
    registration._delete_spare_versions(client, NAME, RUN, "1")
    assert numbers(other) == [1]


def test_any_other_error_of_the_store_is_shown(client, monkeypatch):
    def refuse(*arguments):
        raise MlflowException("the disk is full")

    monkeypatch.setattr(client, "delete_model_version", refuse)
    with pytest.raises(MlflowException, match="the disk is full"):
        registration._delete_spare_versions(client, NAME, RUN, "1")
