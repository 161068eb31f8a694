"""Runs of a race in a real store: found again, described, and closed with what happened."""

import json
import math

import pytest
from mlflow import MlflowClient

from squadron import steps, tracking
from squadron.errors import InputError
from squadron.reports import notes
from tests import tiny_models
from tests.stores import make_store

RACE = tracking.Race("tracked", "0123abcd")


@pytest.fixture
def client(tmp_path, monkeypatch):
    uri = make_store(tmp_path)
    monkeypatch.setenv(tracking.URI_VARIABLE, uri)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    return MlflowClient(uri)


@pytest.fixture
def parent(client):
    tracking.open_race(RACE, ["span", "crf"], {"name": "tracked"}, "4f2a9c1")
    return tracking.find_parent(RACE)


def runs_of(client):
    experiment = client.get_experiment_by_name(RACE.name)
    return client.search_runs([experiment.experiment_id])


def test_a_race_opened_twice_has_one_parent_and_one_child_of_each_label(client, parent):
    children = {label: tracking.find_child(RACE, label) for label in ("span", "crf")}
    tracking.open_race(RACE, ["span", "crf"], {"name": "tracked"}, "4f2a9c1")
    assert tracking.find_parent(RACE) == parent
    assert {label: tracking.find_child(RACE, label) for label in children} == children
    assert len(runs_of(client)) == 3
    for label, child in children.items():
        run = client.get_run(child)
        assert run.data.tags["mlflow.parentRunId"] == parent
        assert (run.info.run_name, run.info.status) == (label, "RUNNING")


def test_another_race_of_the_same_experiment_is_another_parent(client, parent):
    other = tracking.Race(RACE.name, "ffff")
    assert tracking.find_parent(other) == ""
    tracking.open_race(other, ["span"], {}, "sha")
    assert tracking.find_parent(other) not in ("", parent)
    assert tracking.find_parent(RACE) == parent


def test_a_contender_that_is_not_in_the_race_is_bad_input(parent):
    with pytest.raises(InputError, match="no child run for contender 'lora'"):
        tracking.find_child(RACE, "lora")


def test_without_a_race_nothing_is_tracked():
    assert tracking.find_child(None, "span") == tracking.run_page("") == ""
    tracking.set_tags("", {"a": "b"})
    tracking.share_datasets("", ["tune"])
    tracking.log_metrics(tracking.address_run(None), {"a": 1.0})


def test_the_experiment_is_described_once_and_what_a_person_wrote_stays(
    client, parent, monkeypatch, tmp_path
):
    monkeypatch.setenv(tracking.RACE_VARIABLE, str(RACE))
    tiny_models.write_validation(tmp_path)
    about = json.dumps({"labels": ["span"], "experiment": {}})
    given = {"experiment": about, "examples": tmp_path}
    steps.open_race(**given)
    experiment = client.get_experiment_by_name(RACE.name)
    tags = experiment.tags
    assert tags[tracking.NOTE_TAG].startswith("Races of extractive question-answering models")
    page = f"#/experiments/{experiment.experiment_id}/runs{tracking.PAGES}"
    assert f"]({page}&viewStateShareKey={notes.VIEW})" in tags[tracking.NOTE_TAG]
    assert "select_exact_match" in tags[tracking.VIEW_TAG + notes.VIEW]
    client.set_experiment_tag(experiment.experiment_id, tracking.NOTE_TAG, "Mine.")
    steps.open_race(**given)
    changed = client.get_experiment_by_name(RACE.name).tags
    assert changed == tags | {tracking.NOTE_TAG: "Mine."}


def test_the_view_of_contenders_finds_them_and_no_parent(client, parent):
    view = json.loads(notes.contenders_view(0))
    state = json.loads(view["state"])
    for label, value in (("span", 20.0), ("crf", 30.0)):
        tracking.log_metrics(tracking.find_child(RACE, label), {"select_exact_match": value})
    experiment = client.get_experiment_by_name(RACE.name)
    order = f"{state['orderByKey']} {'ASC' if state['orderByAsc'] else 'DESC'}"
    found = client.search_runs([experiment.experiment_id], state["searchFilter"], order_by=[order])
    assert [run.info.run_name for run in found] == ["crf", "span"]


def test_links_open_the_pages_for_training(client, parent):
    experiment = client.get_experiment_by_name(RACE.name).experiment_id
    page = f"#/experiments/{experiment}/runs/{parent}?workflowType=machine_learning"
    assert tracking.run_page(parent) == page
    assert tracking.run_url(parent) == f"runs:/{parent}"


def test_a_child_shares_the_datasets_that_it_met(client, parent):
    for name in ("train", "tune", "select", "test"):
        tracking.log_dataset(parent, name, "d1", "s3://b/x.json", name, 10)
    child = tracking.find_child(RACE, "span")
    for _ in range(2):  # a second try of the step
        tracking.share_datasets(child, ["tune", "select"])
    shared = client.get_run(child).inputs.dataset_inputs
    assert sorted(each.dataset.name for each in shared) == ["select", "tune"]
    assert {tag.value for each in shared for tag in each.tags} == {"select", "tune"}


def test_points_that_are_there_are_not_logged_twice(client, parent):
    points = [{"step": 1, "train_loss": 2.0}, {"step": 2, "train_loss": 1.0}]
    for given in (points[:1], points, [{"step": 3, "train_loss": math.nan}]):
        tracking.log_points(parent, given)
    history = client.get_metric_history(parent, "train_loss")
    assert [(point.step, point.value) for point in history] == [(1, 2.0), (2, 1.0)]


def test_a_race_that_succeeded_is_finished_and_so_are_its_contenders(client, parent):
    span = tracking.find_child(RACE, "span")
    tracking.close_contender(span, "loss is nan")
    tracking.note_failure(parent, "train: no memory")  # of a first try
    tracking.close_race(parent, succeeded=True)
    for run in runs_of(client):
        failed = run.info.run_id == span
        assert run.info.status == ("FAILED" if failed else "FINISHED")
        status = "disqualified: loss is nan" if failed else "finished"
        assert run.data.tags[tracking.STATUS_TAG] == status
        assert tracking.FAILURE_TAG not in run.data.tags
    assert tracking.NOTE_TAG not in client.get_run(parent).data.tags  # the step report's to write


def test_a_race_that_failed_says_why_in_its_status_and_description(client, parent):
    span = tracking.find_child(RACE, "span")
    tracking.close_contender(span, "")
    tracking.note_failure(parent, "ingest: a_b.json is not JSON")
    tracking.close_race(parent, succeeded=False, reason="Task ingest failed")
    runs = {run.info.run_name: run for run in runs_of(client)}
    assert runs["span"].info.status == "FINISHED"  # it had ended before
    assert runs["crf"].info.status == "FAILED"
    tags = client.get_run(parent).data.tags
    assert tags[tracking.STATUS_TAG] == "failed: ingest: a_b.json is not JSON"
    assert tags[tracking.NOTE_TAG] == "Failed: ingest: a\\_b.json is not JSON"


def test_a_second_try_that_fails_gives_its_own_reason_and_not_the_first_one(client, parent):
    tracking.note_failure(parent, "ingest: a_b.json is not JSON")
    tracking.close_race(parent, succeeded=False, reason="Task ingest failed")
    tracking.open_race(RACE, ["span", "crf"], {}, "sha")
    tags = client.get_run(parent).data.tags
    assert not {tracking.FAILURE_TAG, tracking.NOTE_TAG} & tags.keys()
    tracking.close_race(parent, succeeded=False, reason="interrupted by a person")
    tags = client.get_run(parent).data.tags
    assert tags[tracking.STATUS_TAG] == "failed: interrupted by a person"
    assert tags[tracking.NOTE_TAG] == "Failed: interrupted by a person"
    assert client.get_run(parent).info.status == "FAILED"


def test_a_second_try_keeps_a_description_that_it_did_not_write(client, parent):
    tracking.close_race(parent, succeeded=False, reason="no memory")
    client.set_tag(parent, tracking.NOTE_TAG, "Mine.")
    tracking.open_race(RACE, ["span", "crf"], {}, "sha")
    assert client.get_run(parent).data.tags[tracking.NOTE_TAG] == "Mine."


@pytest.mark.parametrize("succeeded", [True, False])
def test_a_contender_keeps_its_end_when_the_race_is_run_again(client, parent, succeeded):
    labels = ("span", "crf", "lora")
    tracking.open_race(RACE, labels, {}, "sha")
    span, crf, lora = (tracking.find_child(RACE, label) for label in labels)
    tracking.close_contender(span, "loss is nan")
    tracking.close_contender(crf, "")
    tracking.close_race(parent, succeeded=False, reason="no memory")
    # The steps of span and crf come from the cache now, so nobody closes these two again.
    tracking.open_race(RACE, labels, {}, "sha2")
    assert client.get_run(lora).info.status == "RUNNING"
    tracking.close_race(parent, succeeded=succeeded, reason="no memory")
    runs = [client.get_run(each) for each in (span, crf, lora)]
    last = ("FINISHED", "finished") if succeeded else ("FAILED", "failed: no memory")
    assert [(run.info.status, run.data.tags[tracking.STATUS_TAG]) for run in runs] == [
        ("FAILED", "disqualified: loss is nan"),
        ("FINISHED", "finished"),
        last,
    ]
    assert {run.data.tags["mlflow.source.git.commit"] for run in runs} == {"sha2"}
