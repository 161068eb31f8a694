"""`squadron promote --to-registry`: a version is copied to another MLflow store, then promoted."""

from pathlib import Path
from urllib.parse import unquote, urlparse

import numpy as np
import pytest
from mlflow import MlflowClient

from squadron import registry, tracking
from squadron.__main__ import main
from squadron.config import Register
from squadron.registry import catalogue, copying, promotions
from tests import gated_race
from tests.gated_race import NAME, PARAGRAPHS, RACE
from tests.mlflow_server import MlflowServer
from tests.stores import make_store


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A store in which a race registered version 1 of a model, with its figures."""
    folder = tmp_path_factory.mktemp("source")
    gated_race.write_race(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(tracking.URI_VARIABLE, make_store(folder))
        patch.setenv(tracking.RACE_VARIABLE, str(RACE))
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        gated_race.open_race()
        options = Register(model_name=NAME)
        gated_race.run_register(folder, ("better", "raw"), options, folder / "race_result.json")
        client, run_id = MlflowClient(), tracking.find_child(RACE, "better")
        client.log_artifacts(run_id, str(folder / "better" / "evaluation"), "evaluation")
        client.log_metric(run_id, "select_exact_match", 75.0)
        client.log_metric(run_id, "select_exact_match_low", 65.0)
        client.log_metric(run_id, "select_exact_match_high", 85.0)
        client.set_model_version_tag(NAME, "1", "staging_since", "some other time")
        return tracking.tracking_uri()


@pytest.fixture(autouse=True)
def environment(monkeypatch, source):
    monkeypatch.setenv(tracking.URI_VARIABLE, source)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)


@pytest.fixture
def target(tmp_path):
    return make_store(tmp_path / "target")


def promote(capsys, uri, *more, version="1", alias="staging"):
    capsys.readouterr()
    arguments = ["promote", version, "--to", alias, "--to-registry", uri, "--yes", *more]
    code = main(arguments)
    found = capsys.readouterr()
    return code, found.out + found.err


def aliases(uri):
    found = MlflowClient(uri).search_registered_models(f"name = '{NAME}'")
    return {alias: str(number) for each in found for alias, number in each.aliases.items()}


def versions(uri):
    return sorted(
        int(v.version) for v in MlflowClient(uri).search_model_versions(f"name = '{NAME}'")
    )


def alter_stored(client, run_id):
    """Changes one byte of the weights where a store keeps the files of a run."""
    place = Path(unquote(urlparse(client.get_run(run_id).info.artifact_uri).path))
    path = place / "model/artifacts/model/model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")


def test_a_copy_has_the_files_tags_and_figures_and_answers_there(target, source, capsys):
    code, text = promote(capsys, target, "--reason", "release 1.4")
    assert code == 0, text
    lines = text.splitlines()
    assert lines[0] == (
        f"staging of {NAME} in {target}: no version -> a copy of version 1 of this store"
    )
    assert lines[-2] == "Copied to version 1; its files were read back and are equal."
    assert lines[-1].startswith(f"staging in {target}: {NAME} version 1, promoted by ")
    assert lines[-1].endswith("; reason: release 1.4")
    assert (aliases(source), aliases(target)) == ({"candidate": "1"}, {"staging": "1"})
    here = MlflowClient(source).get_model_version(NAME, "1")
    there = MlflowClient(target).get_model_version(NAME, "1")
    added = {copying.COPIED_FROM, copying.COPIED_RUN, copying.COPIED_DIGEST, "staging_since"}
    kept = {key: value for key, value in here.tags.items() if key != "staging_since"}
    assert {key: value for key, value in there.tags.items() if key not in added} == kept
    assert there.tags[copying.COPIED_FROM] == f"models:/{NAME}/1"
    assert there.tags["staging_since"].startswith("promoted by ")
    assert "winner of the race gated-89ab." in there.description
    assert "](#/" in here.description
    with tracking.use_store(target):
        with registry.open_model(NAME) as opened:
            assert opened.version.version == "1"
            (answer,) = opened.load_reader().read([("Who wrote it?", "Ada wrote it.")])
        (row,) = catalogue.read_catalogue(NAME)
    assert row.evidence.figures["select_exact_match"] == (75.0, 65.0, 85.0)
    assert [move.reason for move in row.promotions] == ["release 1.4"]
    with registry.open_model(f"models:/{NAME}/1") as opened:
        assert opened.load_reader().read([("Who wrote it?", "Ada wrote it.")]) == [answer]


def test_a_second_call_finds_the_copy(target, capsys):
    promote(capsys, target)
    code, text = promote(capsys, target)
    assert (code, text) == (
        0,
        f"staging of {NAME} in {target} is version 1 already, the copy of version 1 of this "
        "store.\n",
    )
    assert promote(capsys, target, alias="production")[0] == 0
    assert versions(target) == [1]
    assert aliases(target) == {"staging": "1", "production": "1"}
    runs = MlflowClient(target)
    experiment = runs.get_experiment_by_name(copying.EXPERIMENT)
    assert len(runs.search_runs([experiment.experiment_id])) == 1


def test_it_is_compared_with_the_version_that_has_the_alias_there(target, tmp_path, capsys):
    client = MlflowClient(target)
    experiment = client.create_experiment("earlier", (tmp_path / "earlier").as_uri())
    run_id = client.create_run(experiment).info.run_id
    right = np.arange(2 * PARAGRAPHS) != 7
    place = gated_race.write_evaluation(tmp_path, "earlier", right)
    client.log_artifacts(run_id, str(place), "evaluation")
    client.create_registered_model(NAME)
    client.create_model_version(NAME, "file:///nowhere", run_id=run_id, tags={"select_digest": "d"})
    client.set_registered_model_alias(NAME, "staging", "1")
    code, text = promote(capsys, target)
    assert code == 2
    assert "version 1 here trails by 23.75 points of EM" in " ".join(text.split())
    assert "it is worse than version 1 by more than chance" in text
    assert (versions(target), aliases(target)) == ([1], {"staging": "1"})
    code, text = promote(capsys, target, "--force", "it is smaller")
    assert code == 0
    assert f"To go back: MLFLOW_TRACKING_URI={target} squadron rollback staging" in text
    assert (versions(target), aliases(target)) == ([1, 2], {"staging": "2"})


def test_files_that_arrive_damaged_get_neither_version_nor_alias(target, capsys, monkeypatch):
    plain = MlflowClient.log_artifacts

    def log_and_damage(client, run_id, folder, place=None):
        plain(client, run_id, folder, place)
        if place == "model":
            alter_stored(client, run_id)

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "log_artifacts", log_and_damage)
        code, text = promote(capsys, target)
    assert code == 2
    assert "The file artifacts/model/model.safetensors of runs:/" in text
    assert (versions(target), aliases(target)) == ([], {})
    assert promote(capsys, target)[0] == 0
    assert (versions(target), aliases(target)) == ([1], {"staging": "1"})


WRITES = (
    *("create_experiment", "create_run", "set_terminated", "log_param", "log_artifacts"),
    *("log_batch", "create_registered_model", "create_model_version", "set_model_version_tag"),
    "set_registered_model_alias",
)


class KilledError(BaseException):
    """Stands for the end of a process."""


def kill_at(monkeypatch, place):
    """Lets a process end in the place of a write, counted from 1; returns what is left to do."""
    left = [place]
    for name in WRITES:
        plain = getattr(MlflowClient, name)

        def write(*arguments, plain=plain, **named):
            left[0] -= 1
            if not left[0]:
                raise KilledError
            return plain(*arguments, **named)

        monkeypatch.setattr(MlflowClient, name, write)
    return left


@pytest.mark.slow
def test_a_copy_that_is_killed_at_any_write_is_finished_by_the_next_call(
    tmp_path, capsys, monkeypatch
):
    places = 0
    for place in range(1, 40):
        uri = make_store(tmp_path / str(place))
        with monkeypatch.context() as patch:
            left = kill_at(patch, place)
            try:
                promote(capsys, uri)
            except KilledError:
                places += 1
            else:
                assert left[0] > 0
                break
        held = aliases(uri)
        assert held in ({}, {"staging": "1"})
        if held:
            with tracking.use_store(uri), registry.open_model(NAME) as opened:
                assert opened.version.version == "1"
        assert promote(capsys, uri)[0] == 0
        assert (versions(uri), aliases(uri)) == ([1], {"staging": "1"})
        with tracking.use_store(uri):
            assert len(promotions.read_history(NAME, "staging")) == 1
    assert places >= 12


def test_the_store_itself_and_one_that_does_not_exist_are_refused(source, tmp_path, capsys):
    code, text = promote(capsys, source)
    assert code == 2
    assert "is the store of this version itself; leave --to-registry out" in text
    code, text = promote(capsys, f"sqlite:///{tmp_path}/none.db")
    assert code == 2
    assert text.endswith("none.db does not exist; let --to-registry name one that does\n")


def test_a_server_that_is_away_is_named_without_its_password(capsys):
    code, text = promote(capsys, "http://anna:geheim@127.0.0.1:9/mlflow")
    assert code == 2
    assert "http://127.0.0.1:9/mlflow can't be used: it can't be reached." in text
    assert "that --to-registry names it" in text
    assert "geheim" not in text
    assert "anna" not in text


@pytest.mark.slow
def test_a_version_is_copied_to_a_server(tmp_path, capsys):
    server = MlflowServer(tmp_path / "server")
    try:
        server.start()
        uri = server.uri.replace("http://", "http://anna:geheim@")
        code, text = promote(capsys, uri)
        assert code == 0, text
        assert f"staging in {server.uri}: {NAME} version 1, promoted by" in text
        assert "geheim" not in text
        assert aliases(server.uri) == {"staging": "1"}
        assert promote(capsys, uri, alias="production")[0] == 0
        assert versions(server.uri) == [1]
        with tracking.use_store(uri), registry.open_model(NAME) as opened:
            (answer,) = opened.load_reader().read([("Who wrote it?", "Ada wrote it.")])
        with registry.open_model(f"models:/{NAME}/1") as opened:
            assert opened.load_reader().read([("Who wrote it?", "Ada wrote it.")]) == [answer]
        texts = [*MlflowClient(server.uri).get_model_version(NAME, "1").tags.values()]
        assert "geheim" not in str(texts)
    finally:
        server.kill()
