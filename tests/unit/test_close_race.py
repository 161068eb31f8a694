"""The step close_race in a real store: what a race left decides how it ends.

The words are those of tests/unit/test_verdict.py.
"""

import json

import pytest
from mlflow import MlflowClient

from squadron import progress, steps, tracking

RACE = tracking.Race("closed", "0123abcd")
ABOUT = {"labels": ["span"], "experiment": {"name": "closed"}, "git_sha": "4f2a9c1"}
CONTENT = {"race": "closed-0123abcd", "contenders": [], "model": None, "refused": "none raced"}
WORDS = ("COMPLETE", "CACHED", "SUCCEEDED", "FAILED", "CANCELED", "RUNNING", "UNKNOWN")


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture
def client(uri, monkeypatch):
    monkeypatch.setenv(tracking.URI_VARIABLE, uri)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    return MlflowClient(uri)


@pytest.fixture
def tables(monkeypatch):
    """The tables that were shown."""
    shown = []
    monkeypatch.setattr(progress, "show_table", shown.append)
    return shown


class Try:
    """One try of a race of its own key, step by step as a pipeline runs it."""

    def __init__(self, client, key):
        self.client = client
        self.race = tracking.Race(RACE.name, key)
        self.text = json.dumps(vars(self.race))

    def open(self):
        steps.open_race(race=self.text, experiment=json.dumps(ABOUT))
        return self

    def begin(self, step):
        tracking.begin_step(self.race, step)
        return self

    def fail(self, reason):
        tracking.note_failure(self.parent, reason)
        return self

    def register(self):
        self.begin("register")
        tracking.log_json(self.parent, CONTENT, tracking.RESULT_FILE)
        tracking.note_result(self.parent)
        return self

    def report(self):
        self.begin("report")
        tracking.note_report(self.parent)
        return self

    def close(self, word, message=""):
        steps.close_race(race=self.text, state=word, message=message)
        return self

    @property
    def parent(self):
        return tracking.find_parent(self.race)

    @property
    def end(self):
        """Status in MLflow, and Squadron's words for it."""
        run = self.client.get_run(self.parent)
        child = self.client.get_run(tracking.find_child(self.race, "span"))
        assert child.info.status == run.info.status
        return run.info.status, run.data.tags[tracking.STATUS_TAG]


@pytest.fixture
def race(client, request):
    return Try(client, request.node.name)


@pytest.mark.parametrize("word", WORDS)
def test_a_race_that_left_its_result_is_finished_and_shows_its_table(race, tables, word):
    race.open().begin("train").register().report().close(word)
    assert race.end == ("FINISHED", "finished")
    assert [table["refused"] for table in tables] == ["none raced"]


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
