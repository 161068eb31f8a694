"""The server follows an alias: a new version answers once it was tried, or the old one stays."""

import json

import pytest

from squadron import registry, tracking
from squadron.answers.answering import Answering
from squadron.registry.following import Followed, find_followed
from squadron.serving import engine as engines
from squadron.serving.engine import load_engine, load_version
from squadron.serving.following import Follower
from squadron.serving.service import Service
from squadron.serving.settings import Settings
from tests import served
from tests.stores import make_store

NAME = "followed"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store with three versions; the files of the third are damaged."""
    folder = tmp_path_factory.mktemp("followed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv(tracking.URI_VARIABLE, make_store(folder))
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        before = set()
        for number in (1, 2, 3):
            answering = Answering(null_threshold=float(number))
            served.register_version(
                folder, NAME, f"0{number}23abc", seed=number, answering=answering
            )
            files = set(folder.rglob("artifacts/**/*.safetensors"))
            new, before = files - before, files
        assert new
        for file in new:
            file.write_bytes(b"damaged")
    return folder


@pytest.fixture(autouse=True)
def place(store, monkeypatch):
    monkeypatch.chdir(store)
    monkeypatch.setenv(tracking.URI_VARIABLE, f"sqlite:///{store}/mlflow.db")
    registry.promote(NAME, "1", registry.STAGING)
    return store


@pytest.fixture
def service():
    service = Service(load_version(*Followed(NAME, ("staging",)).find()), Settings())
    yield service
    service.close()


def follow(service, *aliases):
    return Follower(service, Followed(NAME, aliases or ("staging", "candidate")), 3600)


def figures(service):
    text = service.metrics.show().decode()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {key: float(value) for key, _, value in (line.rpartition(" ") for line in lines)}


def test_nothing_happens_while_the_alias_stays(service):
    before = service.engine
    follow(service).check()
    assert service.engine is before
    assert (before.name, before.version, before.alias, before.variant) == (
        NAME,
        "1",
        "staging",
        "span",
    )
    assert before.reader.answering.null_threshold == 1.0


def test_another_version_answers_after_the_alias_moved(service):
    follower = follow(service)
    registry.promote(NAME, "2", registry.STAGING)
    follower.check()
    assert (service.engine.version, service.engine.alias) == ("2", "staging")
    assert service.engine.reader.answering.null_threshold == 2.0
    shown = figures(service)
    assert shown['squadron_model_info{alias="staging",name="followed",version="2"}'] == 1
    assert not any('version="1"' in key for key in shown)
    assert shown['squadron_model_switches_total{outcome="switched"}'] == 1
    registry.promote(NAME, "1", registry.STAGING)
    follower.check()
    assert service.engine.version == "1"


def test_a_version_that_fails_leaves_the_old_one_and_is_not_tried_again(
    service, monkeypatch, capsys
):
    tried = []
    load = engines.load_version

    def count(registered, alias):
        tried.append(registered.version)
        return load(registered, alias)

    monkeypatch.setattr("squadron.serving.following.load_version", count)
    follower, before = follow(service), service.engine
    registry.promote(NAME, "3", registry.STAGING)
    follower.check()
    follower.check()
    assert service.engine is before
    assert tried == ["3"]
    shown = figures(service)
    assert shown['squadron_model_switches_total{outcome="failed"}'] == 1
    assert shown['squadron_model_failed{name="followed",version="3"}'] == 1
    # Once the alias points at a good version, all is well, and the bad one may be tried again.
    registry.promote(NAME, "1", registry.STAGING)
    follower.check()
    assert not any(key.startswith("squadron_model_failed{") for key in figures(service))
    registry.promote(NAME, "3", registry.STAGING)
    follower.check()
    registry.promote(NAME, "2", registry.STAGING)
    follower.check()
    assert tried == ["3", "3", "2"]
    assert service.engine.version == "2"
    assert not any(key.startswith("squadron_model_failed{") for key in figures(service))


def test_a_version_that_does_not_answer_its_input_example_fails(service, monkeypatch):
    def refuse(self):
        raise engines.InputError("no span")

    monkeypatch.setattr(engines.Engine, "try_example", refuse)
    registry.promote(NAME, "2", registry.STAGING)
    follow(service).check()
    assert service.engine.version == "1"


def test_a_registry_that_does_not_answer_changes_nothing(service, monkeypatch, tmp_path):
    follower, before = follow(service), service.engine
    with monkeypatch.context() as patch:
        patch.setenv(tracking.URI_VARIABLE, "http://127.0.0.1:9")
        patch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        follower.check()
        follower.check()
    assert service.engine is before
    assert figures(service)["squadron_registry_errors_total"] == 2
    registry.promote(NAME, "2", registry.STAGING)
    follower.check()
    assert service.engine.version == "2"


def test_another_alias_of_the_same_version_is_noted():
    service = Service(load_version(*Followed(NAME, ("staging",)).find()), Settings())
    follow(service, "none", "staging").check()
    registry.promote(NAME, "1", "blue")
    follow(service, "blue").check()
    assert (service.engine.version, service.engine.alias) == ("1", "blue")
    service.close()


def test_what_is_followed_depends_on_how_the_model_was_named(place):
    usual = Followed(NAME, ("staging", "production", "candidate"))
    assert find_followed("", "") == usual
    assert find_followed(NAME, "") == usual
    assert find_followed(NAME, "staging") == Followed(NAME, ("staging",))
    assert find_followed(f"models:/{NAME}@staging", "") == Followed(NAME, ("staging",))
    assert find_followed("staging", "") == Followed(NAME, ("staging",))
    for fixed in ((NAME, "2"), (f"models:/{NAME}/2", ""), ("2", ""), ("starter", "")):
        assert find_followed(*fixed) is None
    assert find_followed(str(place), "") is None
    with pytest.raises(registry.versions.InputError, match="has the alias production; give one"):
        Followed(NAME, ("production",)).find()


def test_without_a_registered_model_the_starter_is_served_and_nothing_followed(
    monkeypatch, tmp_path
):
    monkeypatch.setenv(tracking.URI_VARIABLE, f"sqlite:///{tmp_path}/none.db")
    assert find_followed("", "") is None


def test_the_evaluated_probability_is_read_from_the_run(place):
    version = registry.find_version(NAME, "2")
    assert load_version(version, "").evaluated_probability is None
    content = {
        "schema": "confidence/1",
        "made_from": "",
        "calibrated": True,
        "reliability": [
            {"questions": 30, "probability": 0.9, "right": 0.8},
            {"questions": 10, "probability": 0.1, "right": 0.2},
        ],
        "risk_coverage": [],
    }
    folder = place / "logged" / "evaluation" / "select"
    folder.mkdir(parents=True)
    (folder / "confidence.json").write_text(json.dumps(content))
    client = tracking.connect()
    client.log_artifacts(version.run_id, str(place / "logged"))
    engine = load_version(version, "")
    assert engine.evaluated_probability == pytest.approx((30 * 0.9 + 10 * 0.1) / 40)
    # A model folder has its evaluation beside it.
    model = served.write_model(place / "logged")
    with registry.open_model(str(model)) as opened:
        assert load_engine(opened).evaluated_probability == engine.evaluated_probability
