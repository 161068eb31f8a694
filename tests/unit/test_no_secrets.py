"""No output holds the user, password or token of a URI: sentences, events, tags and logs."""

import json

import pytest
from mlflow import MlflowClient

from squadron import __main__, registry, steps, storage, tracking
from squadron.errors import InputError
from squadron.storage.settings import read_settings
from squadron.tracking import links, store
from tests.stores import make_store

SECRETS = ("ada", "s3cret", "t0ken")
URIS = (
    "http://ada:s3cret@127.0.0.1:9/?token=t0ken",
    "http://ada:s3cret@127.0.0.1:9",
    "http://127.0.0.1:9/?token=t0ken",
    "postgresql+psycopg://ada:s3cret@127.0.0.1:9/mlflow",
    "postgresql+psycopg://127.0.0.1:9/mlflow?user=ada&password=s3cret",
)


def assert_clean(text):
    assert text
    assert [secret for secret in SECRETS if secret in text] == []


@pytest.fixture(params=URIS)
def uri(request, monkeypatch):
    """The store that the environment names; nobody listens there."""
    monkeypatch.setenv(tracking.URI_VARIABLE, request.param)
    return request.param


def test_a_store_that_can_not_be_reached_is_named_without_its_secrets(
    uri, capfd, caplog, monkeypatch
):
    # MLflow asks again at once, instead of after seconds.
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
    with pytest.raises(InputError) as caught:
        tracking.connect()
    assert_clean(str(caught.value))
    assert "127.0.0.1:9" in str(caught.value)
    assert __main__.main(["ask", "Who?", "--context", "Ada did it."]) == 2
    shown = capfd.readouterr()
    assert_clean(shown.err)
    assert [secret for secret in SECRETS if secret in shown.out + caplog.text] == []


def test_the_registry_names_the_store_without_its_secrets(uri, tmp_path, monkeypatch):
    # A store that answers, and has no model.
    client = MlflowClient(make_store(tmp_path))
    monkeypatch.setattr(store, "connect", lambda: client)
    with pytest.raises(InputError, match="No model is registered in ") as caught:
        registry.latest_model()
    assert_clean(str(caught.value))
    with pytest.raises(InputError, match="there is no such model") as caught:
        registry.find_version("nobody", "candidate")
    assert_clean(str(caught.value))


def test_the_link_to_a_run_holds_no_secret(uri, monkeypatch):
    monkeypatch.setattr(links, "run_page", lambda run_id: f"#/experiments/1/runs/{run_id}")
    link = tracking.run_url("0b1c")
    assert_clean(link)
    if uri.startswith("http"):
        assert link == "http://127.0.0.1:9/#/experiments/1/runs/0b1c"


def test_mlflow_does_not_print_where_a_run_is(tmp_path, monkeypatch):
    from mlflow.environment_variables import MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT as SILENT

    monkeypatch.setenv(tracking.URI_VARIABLE, make_store(tmp_path))
    monkeypatch.delenv(SILENT.name, raising=False)
    tracking.connect()
    assert SILENT.get()


@pytest.mark.parametrize("uri", URIS)
def test_why_a_step_failed_is_told_without_secrets(tmp_path, monkeypatch, capsys, uri):
    monkeypatch.setenv(tracking.URI_VARIABLE, make_store(tmp_path))
    monkeypatch.setenv("SQUADRON_EVENTS", "1")
    race = tracking.Race("secret", "0123abcd")
    tracking.open_race(race, ["span"], {}, "4f2a9c1")
    parent = tracking.find_parent(race)
    tracking.note_failure(parent, f"train: HTTPError: {uri} answered 500")
    tracking.close_race(parent, succeeded=False, reason=uri)
    assert_clean(json.dumps(dict(MlflowClient().get_run(parent).data.tags)))
    with pytest.raises(SystemExit):
        steps.ingest(data=json.dumps({"train": [uri]}), examples=tmp_path / "examples")
    shown = capsys.readouterr()
    assert_clean(shown.out + shown.err)


@pytest.mark.parametrize(
    "location", ["https://ada:s3cret@host/x.json?token=t0ken", "ftp://ada:s3cret@host/x"]
)
def test_a_location_is_refused_without_its_secrets(location):
    with pytest.raises(InputError) as caught:
        storage.is_remote(location)
    assert_clean(str(caught.value))


def test_the_s3_server_is_named_without_its_secrets(monkeypatch):
    with pytest.raises(InputError) as caught:
        read_settings({"AWS_ENDPOINT_URL": "http://ada:s3cret@127.0.0.1:9"})
    assert_clean(str(caught.value))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9/?token=t0ken")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "id")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
    monkeypatch.setenv("SQUADRON_S3_MAX_ATTEMPTS", "1")
    with pytest.raises(InputError) as caught:
        storage.content_digest("s3://bucket/x.json")
    assert_clean(str(caught.value))
    assert "127.0.0.1:9" in str(caught.value)
