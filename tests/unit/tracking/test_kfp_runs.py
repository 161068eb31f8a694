"""MLFLOW_RUN_ID as Kubeflow sets it: linked with the race, and never a run of the race.

The runs follow kubeflow/pipelines 2.17: backend/src/apiserver/plugins/mlflow/run_start.go makes
and tags the pipeline's run, backend/src/v2/common/plugins/mlflow/handler.go nests the task's run
below it and puts it into the task's environment.
"""

import pytest
from mlflow import MlflowClient

from squadron import tracking
from squadron.tracking import kfp_runs
from tests.stores import make_store

RACE = tracking.Race("linked", "0123abcd")


@pytest.fixture
def client(tmp_path, monkeypatch):
    uri = make_store(tmp_path)
    monkeypatch.setenv(tracking.URI_VARIABLE, uri)
    monkeypatch.delenv(kfp_runs.VARIABLE, raising=False)
    tracking.connect()
    return MlflowClient(uri)


@pytest.fixture
def kfp(client):
    """The pipeline's run, a loop's and two tasks'."""
    experiment = client.create_experiment("KFP-Default")

    def create(name, parent="", **tags):
        nested = {"mlflow.parentRunId": parent} if parent else {}
        run = client.create_run(experiment, run_name=name, tags={**nested, **tags})
        return run.info.run_id

    url = "https://ada:s3cret@kubeflow/#/runs/details/0b1c"
    tags = {"kfp.pipeline_run_id": "0b1c", "kfp.pipeline_run_url": url}
    pipeline = create("squadron", **tags)
    loop = create("for-loop-1", pipeline)
    return {
        "squadron": pipeline,
        "open_race": create("open-race", pipeline),
        "train": create("train", loop),
        "note": create("noted", loop, **{tracking.NOTE_TAG: "Mine."}),
    }


def open_race():
    tracking.open_race(RACE, ["span"], {}, "4f2a9c1")
    return tracking.find_parent(RACE)


def test_the_task_and_the_race_are_linked_both_ways(client, kfp, monkeypatch):
    monkeypatch.setenv(kfp_runs.VARIABLE, kfp["open_race"])
    parent = open_race()
    assert parent not in kfp.values()
    tags = client.get_run(parent).data.tags
    assert "mlflow.parentRunId" not in tags  # KFP would end what is nested below its run
    assert tags[kfp_runs.KFP_RUN_TAG] == "0b1c"
    assert tags[kfp_runs.KFP_URL_TAG] == "https://kubeflow/#/runs/details/0b1c"
    assert tags[kfp_runs.KFP_MLFLOW_TAG] == kfp["squadron"]
    monkeypatch.setenv(kfp_runs.VARIABLE, kfp["train"])
    tracking.begin_step(RACE, "train")
    for name in ("squadron", "open_race", "train"):
        theirs = client.get_run(kfp[name]).data.tags
        assert theirs[kfp_runs.RACE_RUN_TAG] == parent
        assert tracking.run_page(parent) in theirs[tracking.NOTE_TAG]
        assert tracking.RACE_TAG not in theirs
    assert client.get_run(parent).data.tags[kfp_runs.KFP_MLFLOW_TAG] == kfp["squadron"]


def test_every_task_finds_the_race_and_its_contender(client, kfp, monkeypatch):
    monkeypatch.setenv(kfp_runs.VARIABLE, kfp["open_race"])
    parent = open_race()
    child = tracking.find_child(RACE, "span")
    monkeypatch.setenv(kfp_runs.VARIABLE, kfp["train"])
    assert tracking.find_parent(RACE) == parent
    assert tracking.find_child(RACE, "span") == child
    assert client.get_run(child).data.tags["mlflow.parentRunId"] == parent
    tracking.open_race(RACE, ["span"], {}, "4f2a9c1")
    assert tracking.find_parent(RACE) == parent


def test_a_description_of_somebody_else_stays(client, kfp, monkeypatch):
    parent = open_race()
    monkeypatch.setenv(kfp_runs.VARIABLE, kfp["note"])
    tracking.begin_step(RACE, "train")
    tags = client.get_run(kfp["note"]).data.tags
    assert (tags[tracking.NOTE_TAG], tags[kfp_runs.RACE_RUN_TAG]) == ("Mine.", parent)


@pytest.mark.parametrize("case", ["unknown", "deleted", "pipeline_deleted", "own", "blank"])
def test_a_run_that_can_not_be_linked_breaks_nothing(client, kfp, monkeypatch, case):
    own = open_race() if case == "own" else ""
    if case in ("deleted", "pipeline_deleted"):
        client.delete_run(kfp["open_race" if case == "deleted" else "squadron"])
    value = {"unknown": "f" * 32, "own": own, "blank": " "}.get(case, kfp["open_race"])
    monkeypatch.setenv(kfp_runs.VARIABLE, value)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "77")
    parent = open_race()
    tracking.begin_step(RACE, "train")
    tracking.close_race(parent, succeeded=True)
    run = client.get_run(parent)
    assert (run.info.status, run.data.tags[tracking.RACE_TAG]) == ("FINISHED", RACE.key)
    assert kfp_runs.RACE_RUN_TAG not in run.data.tags
