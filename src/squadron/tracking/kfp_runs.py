"""Links between a race and the MLflow runs that Kubeflow Pipelines makes itself.

With its MLflow plugin (KFP 2.17, opt-in) the pipeline's run and each task get an MLflow run of
their own, and MLFLOW_RUN_ID in a task names the *task's* run, below the pipeline's (kubeflow/
pipelines, backend/src/v2/common/plugins/mlflow/handler.go). A race keeps its own runs: KFP ends
whatever is nested below its run when the pipeline ends.
"""

import os
from typing import TYPE_CHECKING

from squadron.uris import hide_secrets

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

VARIABLE = "MLFLOW_RUN_ID"
RACE_RUN_TAG = "squadron.race_run"
"""On Kubeflow's runs: the id of the race's parent run."""
KFP_RUN_TAG = "squadron.kfp_run"
"""On the race's parent run, as the next two: the id of the pipeline's run in Kubeflow,"""
KFP_URL_TAG = "squadron.kfp_run_url"
"""its page,"""
KFP_MLFLOW_TAG = "squadron.kfp_mlflow_run"
"""and the id of its run in MLflow."""
_NOTE_TAG = "mlflow.note.content"
_PARENT_TAG = "mlflow.parentRunId"
# As backend/src/apiserver/plugins/mlflow/run_start.go sets them on the pipeline's run.
_FROM_KFP = {"kfp.pipeline_run_id": KFP_RUN_TAG, "kfp.pipeline_run_url": KFP_URL_TAG}
_DEEPEST = 4
"""Levels of nested runs that KFP makes at most: pipeline, loop, iteration, task."""


def attach_task(client: "MlflowClient", parent_id: str, race_page: str) -> None:
    """Links the run that MLFLOW_RUN_ID names, and its pipeline's run, with the race.

    Nothing happens where there is no such run in this store, or it was deleted: the links are for
    people, and no step may fail for them.

    Args:
        client: Of the store.
        parent_id: The race's parent run.
        race_page: Of the race, as MLflow's own pages link to it.
    """
    task_id = os.environ.get(VARIABLE, "").strip()
    chain = _with_ancestors(client, task_id) if task_id and task_id != parent_id else []
    if not chain or any(run.info.run_id == parent_id for run in chain):
        return
    pipeline = chain[-1]
    known = pipeline.data.tags
    ours = {KFP_MLFLOW_TAG: str(pipeline.info.run_id)}
    ours |= {tag: hide_secrets(known[name]) for name, tag in _FROM_KFP.items() if known.get(name)}
    _set_tags(client, parent_id, ours)
    for run in {chain[0].info.run_id: chain[0], pipeline.info.run_id: pipeline}.values():
        theirs = {RACE_RUN_TAG: parent_id}
        if not run.data.tags.get(_NOTE_TAG):
            theirs[_NOTE_TAG] = f"Part of a race of Squadron: [its run]({race_page})"
        _set_tags(client, str(run.info.run_id), theirs)


def _with_ancestors(client: "MlflowClient", run_id: str) -> "list[Run]":
    """A run and what it is nested in, innermost first; nothing if it can't be had."""
    from mlflow.exceptions import MlflowException

    chain: list[Run] = []
    while run_id and len(chain) < _DEEPEST:
        try:
            run = client.get_run(run_id)
        except MlflowException:
            break
        if run.info.lifecycle_stage == "deleted":
            break
        chain.append(run)
        run_id = run.data.tags.get(_PARENT_TAG, "")
    return chain


def _set_tags(client: "MlflowClient", run_id: str, tags: dict[str, str]) -> None:
    import contextlib

    from mlflow.entities import RunTag
    from mlflow.exceptions import MlflowException

    with contextlib.suppress(MlflowException):
        client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
