"""The step close_race in a real store: what a race left decides how it ends.

The words are those of tests/unit/tracking/test_verdict.py.
"""

import json
from dataclasses import replace

import pytest
from mlflow import MlflowClient

from squadron import progress, steps, tracking
from squadron.artifacts import from_content, to_content
from squadron.errors import InputError
from squadron.scores.race_result import RaceResult
from squadron.steps._step import step
from tests import tiny_models
from tests.results import make_race, make_version
from tests.stores import make_store

pytestmark = pytest.mark.slow  # some sixty races in a real store
RACE = tracking.Race("closed", "0123abcd")
ABOUT = {"labels": ["span"], "experiment": {"name": "closed"}}
RESULT = make_race(refused="none raced")
WORDS = ("COMPLETE", "CACHED", "SUCCEEDED", "FAILED", "CANCELED", "RUNNING", "UNKNOWN")


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("store"))


@pytest.fixture
def client(uri, monkeypatch):
    monkeypatch.setenv(tracking.URI_VARIABLE, uri)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    return MlflowClient(uri)


@pytest.fixture
def tables(monkeypatch):
    """(result, place of the report) of the tables that a launcher was told to show."""
    shown = []

    def emit(event):
        if event["kind"] == "table":
            shown.append((from_content(RaceResult, event["result"]), event["report"]))

    monkeypatch.setenv(progress.EVENTS_VARIABLE, "1")
    monkeypatch.setattr(progress, "emit", emit)
    return shown


class Try:
    """One try of a race of its own key, step by step as a pipeline runs it."""

    def __init__(self, client, race, examples):
        self.client = client
        self.race = race
        self.examples = examples

    def open(self, this_try=""):
        steps.open_race(experiment=json.dumps(ABOUT), examples=self.examples, this_try=this_try)
        return self

    def begin(self, step):
        tracking.begin_step(self.race, step)
        return self

    def fail(self, reason):
        tracking.note_failure(self.parent, reason)
        return self

    def register(self, result=RESULT):
        self.begin("register")
        tracking.log_json(self.parent, to_content(result), tracking.RESULT_FILE)
        tracking.note_result(self.parent)
        return self

    def report(self):
        self.begin("report")
        tracking.note_report(self.parent)
        return self

    def close(self, word, message="", this_try=""):
        steps.close_race(state=word, message=message, this_try=this_try)
        return self

    @property
    def parent(self):
        return tracking.find_parent(self.race)

    @property
    def end(self):
        """Status in MLflow, and Squadron's words for it."""
        run = self.client.get_run(self.parent)
        return run.info.status, run.data.tags[tracking.STATUS_TAG]


@pytest.fixture
def race(client, request, monkeypatch, tmp_path):
    race = tracking.Race(RACE.name, request.node.name)
    monkeypatch.setenv(tracking.RACE_VARIABLE, str(race))
    tiny_models.write_validation(tmp_path)
    return Try(client, race, tmp_path)


@pytest.mark.parametrize("word", WORDS)
def test_a_race_that_left_its_result_is_finished_and_shows_its_table(race, tables, word):
    race.open().begin("train").register().report().close(word)
    assert race.end == ("FINISHED", "finished")
    assert tables == [(RESULT, "")]


@pytest.mark.parametrize("word", WORDS)
def test_a_race_without_a_result_failed_whatever_the_word(race, tables, word):
    race.open().begin("train").close(word)
    status, text = race.end
    assert status == "FAILED"
    assert text.startswith("failed: no step left a result or a reason (Kubeflow's status:")
    assert tables == []


@pytest.mark.parametrize("word", WORDS)
def test_a_race_without_a_result_says_what_its_step_said(race, word):
    race.open().begin("train").fail("train: no memory").close(word, "Task train failed")
    assert race.end == ("FAILED", "failed: train: no memory")


@pytest.mark.parametrize("word", WORDS)
def test_a_failure_of_an_earlier_attempt_is_forgotten(race, tables, word):
    race.open().begin("train").fail("train: killed").begin("train")
    race.register().fail("report: killed").report().close(word)
    assert race.end == ("FINISHED", "finished")
    assert len(tables) == 1


@pytest.mark.parametrize("word", ["FAILED", "CANCELED", "RUNNING", "UNKNOWN"])
def test_a_report_that_failed_fails_the_race_which_still_shows_its_table(race, tables, word):
    race.open().begin("train").register().begin("report").fail("report: no space").close(word)
    assert race.end == ("FAILED", "failed: report: no space")
    assert len(tables) == 1


@pytest.mark.parametrize("word", ["FAILED", "CANCELED", "RUNNING", "UNKNOWN"])
def test_a_result_of_an_earlier_try_does_not_finish_a_later_one(race, tables, word):
    race.open().begin("train").register().report().close("COMPLETE")
    tables.clear()
    race.open().begin("train").close(word)
    assert race.end[0] == "FAILED"
    assert tables == []


@pytest.mark.parametrize("word", ["COMPLETE", "SUCCEEDED", "RUNNING"])
def test_a_try_that_came_from_the_cache_is_finished_and_shows_its_table(race, tables, word):
    # The metadata store says RUNNING then: the driver that finds a cached task writes no state.
    race.open().begin("train").register().report().close("COMPLETE")
    tables.clear()
    race.open().close(word)
    assert race.end == ("FINISHED", "finished")
    assert len(tables) == 1


def test_a_race_that_failed_to_open_again_is_not_finished(race, tables):
    race.open().begin("train").register().report().close("COMPLETE")
    tables.clear()
    race.fail("open_race: the disk is full").close("FAILED")
    run = race.client.get_run(race.parent)
    assert run.info.status == "FAILED"
    assert run.data.tags[tracking.STATUS_TAG] == "failed: open_race: the disk is full"


@step
def ingest(*, reason: str = "") -> None:
    """Fails as ingest does on bad data, if it is told to."""
    if reason:
        raise InputError(reason)


def left_in_mlflow(race):
    """All that MLflow knows of the race's runs."""
    found = [race.parent, tracking.find_child(race.race, "span")]
    runs = [race.client.get_run(run_id) for run_id in found]
    return [(run.info.status, run.info.end_time, run.data.tags) for run in runs]


@pytest.mark.parametrize("word", ["FAILED", "RUNNING", "CANCELED"])
@pytest.mark.parametrize("last", ["", "another"], ids=["interrupted", "known"])
def test_a_try_that_ends_before_the_race_is_opened_again_changes_nothing(race, tables, word, last):
    race.open("first").begin("train").register().report().close("COMPLETE", this_try="first")
    before = left_in_mlflow(race)
    assert [status for status, _, _ in before] == ["FINISHED"] * 2
    tables.clear()
    ingest()
    with pytest.raises(SystemExit):
        ingest(reason="the disk is full")
    race.close(word, "Task ingest failed", last)
    assert left_in_mlflow(race) == before
    assert tables == []


def test_a_try_closes_no_race_that_another_try_has_open(race, tables):
    race.open("first").begin("train").fail("train: killed").close("FAILED", this_try="second")
    assert race.client.get_run(race.parent).info.status == "RUNNING"
    race.register().report().close("COMPLETE", this_try="first")
    assert race.end == ("FINISHED", "finished")
    assert len(tables) == 1


def test_a_try_closes_a_race_that_it_opened_and_shows_its_table_again(race, tables):
    race.open("first").begin("train").register().begin("report").fail("report: no space")
    race.close("FAILED", this_try="first").close("FAILED", this_try="first")
    assert race.end == ("FAILED", "failed: report: no space")
    assert len(tables) == 2


@pytest.mark.parametrize("opens_store", [False, True])
def test_a_race_that_was_never_opened_leaves_nothing(
    race, tables, tmp_path, monkeypatch, capfd, opens_store
):
    uri = f"sqlite:///{tmp_path}/store/mlflow.db"
    monkeypatch.setenv(tracking.URI_VARIABLE, uri)
    monkeypatch.setenv("SQUADRON_CHECKPOINTS", str(tmp_path / "kept"))
    if opens_store:
        tracking.connect()
    with pytest.raises(SystemExit):
        ingest(reason="no such file")
    capfd.readouterr()
    race.close("FAILED", "Task ingest failed", "first")
    assert tables == []
    assert capfd.readouterr() == ("", "")
    assert (tmp_path / "store").exists() == opens_store
    assert not list(tmp_path.glob("kept/**/*.jsonl"))
    if opens_store:
        names = [each.name for each in MlflowClient(uri).search_experiments()]
        assert names == ["Default"]


def test_closing_twice_changes_nothing(race, tables):
    race.open().begin("train").register().report().close("COMPLETE").close("COMPLETE")
    assert race.end == ("FINISHED", "finished")
    assert len(tables) == 2


def test_a_parent_that_a_killed_process_left_is_gone_when_the_race_closes(race, client):
    race.open()
    parent = client.get_run(race.parent)
    tags = {tracking.RACE_TAG: race.race.key, tracking.CONTENDER_TAG: tracking.PARENT}
    left = client.create_run(parent.info.experiment_id, tags=tags).info.run_id
    race.register().close("COMPLETE")
    assert client.get_run(left).info.lifecycle_stage == "deleted"
    assert race.parent == parent.info.run_id


def test_a_contender_ends_with_its_race(race, client):
    race.open().begin("train").fail("train: no memory").close("FAILED")
    child = client.get_run(tracking.find_child(race.race, "span"))
    assert child.info.status == "FAILED"
    assert child.data.tags[tracking.STATUS_TAG] == "failed: train: no memory"


def test_a_step_that_runs_is_noted_in_its_race(race, client):
    @step
    def train() -> None:
        """Does nothing."""

    race.open()
    assert client.get_run(race.parent).data.tags[tracking.WORK_TAG] == ""
    train()
    assert client.get_run(race.parent).data.tags[tracking.WORK_TAG] == "train"
    race.open()
    assert client.get_run(race.parent).data.tags[tracking.WORK_TAG] == ""


MODEL = make_version(name="closed", version="2", previous="1", aliases={"candidate": "2"})
WON = make_race(model=MODEL)


def test_a_move_of_the_alias_is_told_once_and_the_aliases_are_those_of_now(race, client, tables):
    client.create_registered_model("closed")
    for _ in range(3):
        client.create_model_version("closed", "file:///nowhere")
    client.set_registered_model_alias("closed", "candidate", "2")
    race.open().begin("train").register(WON).report().close("COMPLETE")
    client.set_registered_model_alias("closed", "staging", "2")
    client.set_registered_model_alias("closed", "candidate", "3")
    race.open().close("COMPLETE")
    first, again = (result.model for result, _ in tables)
    assert first == MODEL
    # This try moved nothing: all of it came from the cache.
    assert again == replace(MODEL, previous="", aliases={"candidate": "3", "staging": "2"})


def test_the_place_of_the_report_is_told_also_when_all_came_from_the_cache(race, client, tables):
    race.open().begin("train").register().close("COMPLETE")
    place = tracking.log_texts(race.parent, {"report.html": "<!doctype html>"})
    assert place
    race.report().open().close("COMPLETE")
    assert tables == [(RESULT, ""), (RESULT, place)]


def test_without_a_launcher_the_table_goes_to_stdout(race, capsys, monkeypatch):
    monkeypatch.delenv(progress.EVENTS_VARIABLE, raising=False)
    race.open().begin("train").register().report().close("COMPLETE")
    assert "Nothing is registered: none raced." in capsys.readouterr().out
