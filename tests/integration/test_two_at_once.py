"""Two processes do the same thing at the same moment, and one result is left.

Each pair runs twenty times on sqlite and on PostgreSQL, see docs/decisions/two-at-once.md.
"""

import os
import uuid
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import ViewType

from squadron import registry, tracking
from squadron.config import Contender, Predict, Windows
from squadron.models import model_folder, variants
from squadron.models.backbones import load_tokenizer
from squadron.registry import promotions
from tests import at_once, tiny_models
from tests.postgres import NoServerError, running_postgres

ROUNDS = int(os.environ.get("SQUADRON_AT_ONCE_ROUNDS", "20"))
LABELS = ["span", "crf"]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def new_store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], str]]:
    """Says the URI of a new, empty database."""
    if request.param == "sqlite":
        folder = tmp_path_factory.mktemp("stores")
        yield lambda: f"sqlite:///{folder}/{uuid.uuid4().hex}/mlflow.db"
        return
    try:
        with running_postgres() as create:
            yield lambda: create(uuid.uuid4().hex)
    except NoServerError as error:
        warnings.warn(f"Two at once was NOT tested on PostgreSQL: {error}", stacklevel=1)
        pytest.skip(f"Two at once was NOT tested on PostgreSQL: {error}")


@pytest.fixture
def store(
    new_store: Callable[[], str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> MlflowClient:
    """A client of a store whose schema is there."""
    uri = new_store()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(tracking.URI_VARIABLE, uri)
    tracking.connect()
    return MlflowClient(uri)


def test_a_new_store_is_made_once(new_store: Callable[[], str], tmp_path: Path) -> None:
    stores = [new_store() for _ in range(ROUNDS)]
    for made in at_once.call_at_once(at_once.make_store, [(uri,) for uri in stores], tmp_path):
        assert len(made) == 2
        assert len(set(made)) == 1
    names = {experiment.name for experiment in MlflowClient(stores[-1]).search_experiments()}
    assert names == {"Default", "at-once"}


def test_a_race_opened_twice_at_once_has_one_parent(store: MlflowClient, tmp_path: Path) -> None:
    uri = os.environ[tracking.URI_VARIABLE]
    rounds = [(uri, f"race-{number}", LABELS) for number in range(ROUNDS)]
    for (_, name, _), opened in zip(
        rounds, at_once.call_at_once(at_once.open_race, rounds, tmp_path), strict=True
    ):
        assert opened[0] == opened[1]
        experiment = store.get_experiment_by_name(name)
        runs = store.search_runs([experiment.experiment_id], run_view_type=ViewType.ACTIVE_ONLY)
        assert {run.info.run_id for run in runs} == set(opened[0])
        assert {run.info.status for run in runs} == {"RUNNING"}
        parents = {run.data.tags.get("mlflow.parentRunId") for run in runs}
        assert parents == {None, opened[0][0]}


def test_a_model_registered_twice_at_once_has_one_version(
    store: MlflowClient, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    uri = os.environ[tracking.URI_VARIABLE]
    model = str(_write_model(tmp_path_factory.mktemp("model")))
    runs = []
    for number in range(ROUNDS):
        race = tracking.Race("registered", str(number))
        tracking.open_race(race, ["span"], {}, "sha")
        runs.append(tracking.find_child(race, "span"))
    rounds = [(uri, f"model-{number}", run, model) for number, run in enumerate(runs)]
    for (_, name, run, _), versions in zip(
        rounds, at_once.call_at_once(at_once.register_model, rounds, tmp_path), strict=True
    ):
        assert len(versions) == 2
        assert versions[0] == versions[1]
        (version,) = store.search_model_versions(f"name = '{name}'")
        assert (str(version.version), version.run_id) == (versions[0], run)
        assert version.tags["licence"] == "mine"
        candidate = store.get_model_version_by_alias(name, registry.CANDIDATE)
        assert str(candidate.version) == versions[0]
        experiment = store.get_run(run).info.experiment_id
        kept = store.search_logged_models([experiment], filter_string=f"source_run_id = '{run}'")
        assert [f"models:/{each.model_id}" for each in kept] == [version.source]


def test_of_two_promotions_at_once_one_wins_and_the_other_is_told(
    store: MlflowClient, tmp_path: Path
) -> None:
    uri = os.environ[tracking.URI_VARIABLE]
    rounds = [(uri, f"model-{number}") for number in range(ROUNDS)]
    for _, name in rounds:
        store.create_registered_model(name)
        for number in (1, 2):
            store.create_model_version(name, "file:///nowhere", run_id=f"{number:032x}")
    for (_, name), told in zip(
        rounds, at_once.call_at_once(at_once.promote, rounds, tmp_path), strict=True
    ):
        (winner,) = [version for version, text in told if not text]
        (loser,) = [text for _, text in told if text]
        assert f"points at version {winner} now: promoted by" in loser
        assert str(store.get_model_version_by_alias(name, "staging").version) == winner
        (move,) = promotions.read_history(name, "staging")
        assert (move.version, move.previous) == (winner, "")


def _write_model(folder: Path) -> Path:
    contender = Contender(
        "span",
        backbone=tiny_models.write_backbone(folder / "backbone"),
        windows=Windows(max_length=48, stride=8, max_question_length=16),
        predict=Predict(max_answer_tokens=7, batch_size=3),
    )
    variant = variants.load_variant("span")
    model = variant.build(contender.backbone, variant.Options())
    tokenizer = load_tokenizer(contender.backbone)
    place = folder / "model"
    model_folder.write_model(place, model, tokenizer, contender, made_from="m")
    return place
