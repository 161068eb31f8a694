"""A race that is told to promotes its winner to staging, by the rule of `squadron promote`."""

import numpy as np
import pytest
from mlflow import MlflowClient

from squadron import tracking
from squadron.config import Register
from squadron.errors import InputError
from squadron.registry import promotions
from squadron.reports.race_facts import describe_promotion
from tests import gated_race
from tests.gated_race import NAME, PARAGRAPHS, RACE
from tests.stores import make_store


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return gated_race.write_race(tmp_path_factory.mktemp("promoted"))


@pytest.fixture
def race(folder, tmp_path, monkeypatch):
    """Runs the step register of a race that promotes; returns what became of the promotion."""
    monkeypatch.setenv(tracking.URI_VARIABLE, make_store(tmp_path))
    monkeypatch.setenv(tracking.RACE_VARIABLE, str(RACE))
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    gated_race.open_race()

    def run(*labels, **options):
        options = Register(**{"model_name": NAME, "promote_to": "staging", **options})
        result = gated_race.run_register(
            folder, labels or ("better", "raw"), options, tmp_path / "race_result.json"
        )
        assert result.model is not None
        return result.model.promotion, result.model

    return run


@pytest.fixture
def client(race):
    return MlflowClient(tracking.tracking_uri())


@pytest.fixture
def stage(client, tmp_path):
    """Makes version 1, which answers given questions right, and lets a person stage it."""

    def run(right, **tags):
        experiment = client.create_experiment("earlier", (tmp_path / "earlier").as_uri())
        run_id = client.create_run(experiment).info.run_id
        place = gated_race.write_evaluation(tmp_path, "earlier", right)
        client.log_artifacts(run_id, str(place), "evaluation")
        client.create_registered_model(NAME)
        client.create_model_version(NAME, "file:///nowhere", run_id=run_id, tags=tags)
        promotions.move_alias(NAME, "staging", "1", expected="")

    return run


def staged(client):
    return str(client.get_registered_model(NAME).aliases.get("staging", ""))


def reasons():
    return [move.reason for move in promotions.read_history(NAME, "staging")]


def test_a_winner_is_staged_once_and_the_history_names_the_race(race, client):
    first, model = race()
    assert (first.moved, first.previous) == (True, "")
    assert model.aliases == {"candidate": "1", "staging": "1"}
    assert describe_promotion(model) == ["The race promoted it to staging."]
    second, _ = race()
    assert second == first
    assert (reasons(), staged(client)) == (["race gated-89ab"], "1")


def test_without_the_setting_nothing_is_staged(race, client):
    promotion, model = race(promote_to="")
    assert promotion is None
    assert model.aliases == {"candidate": "1"}
    assert reasons() == []


def test_a_repeated_race_does_not_undo_what_a_person_did_since(race, client):
    race()
    client.create_model_version(NAME, "file:///nowhere", run_id="later")
    promotions.move_alias(NAME, "staging", "2", expected="1")
    promotion, model = race()
    assert not promotion.moved
    assert promotion.why.startswith("this race did so at 20")
    assert promotion.why.endswith("and staging was moved since")
    assert (staged(client), model.aliases["staging"]) == ("2", "2")


def test_a_demo_is_not_staged(race, client):
    _, model = race(demo=True)
    assert describe_promotion(model) == [
        "The race did not promote it to staging: the race is a demo, whose figures rank nothing."
    ]
    assert staged(client) == ""


def test_a_staged_version_that_is_better_by_more_than_chance_stays(race, client, stage):
    stage(np.arange(2 * PARAGRAPHS) != 7, select_digest="d")
    promotion, _ = race()
    assert promotion.why == "it is worse than version 1 by more than chance"
    assert (staged(client), reasons()) == ("1", [""])


def test_a_staged_version_that_is_not_better_is_replaced(race, client, stage):
    stage(np.arange(2 * PARAGRAPHS) % 3 != 0, select_digest="d")
    promotion, _ = race()
    assert (promotion.moved, promotion.previous, staged(client)) == (True, "1", "2")


def test_a_staged_version_that_cannot_be_compared_stays(race, client, stage):
    stage(np.arange(2 * PARAGRAPHS) % 3 != 0, select_digest="another")
    promotion, _ = race()
    assert promotion.why.startswith("nothing shows that it is not worse than version 1: gated vers")
    assert "judged on different select splits (digests d and another)" in promotion.why
    assert staged(client) == "1"


def test_a_staged_version_that_raced_needs_no_other_comparison(race, client, stage):
    stage(np.arange(2 * PARAGRAPHS) != 7, select_digest="of other data")
    promotion, _ = race("better", "champion")
    assert (promotion.moved, promotion.previous, staged(client)) == (True, "1", "2")


def test_an_alias_that_somebody_moves_meanwhile_stays_and_the_race_succeeds(
    race, client, stage, monkeypatch
):
    stage(np.arange(2 * PARAGRAPHS) % 3 != 0, select_digest="d")
    client.create_model_version(NAME, "file:///nowhere", run_id="later")
    plain = promotions.move_alias

    def interrupted(*arguments, **named):
        plain(NAME, "staging", "2", expected="1", reason="a person")
        return plain(*arguments, **named)

    monkeypatch.setattr(promotions, "move_alias", interrupted)
    promotion, model = race()
    assert "was moved meanwhile and points at version 2 now" in promotion.why
    assert not promotion.moved
    assert model.version == "3"
    assert (staged(client), reasons()) == ("2", ["", "a person"])


def test_a_race_never_sets_production():
    with pytest.raises(InputError, match="'production' is not allowed; give staging, or leave it"):
        Register(promote_to="production")
