"""Links between a race and the MLflow runs that Kubeflow Pipelines creates itself.

With its MLflow plugin (KFP 2.17, opt-in), KFP creates an MLflow run for the pipeline's run and one
for each task, nested in it. MLFLOW_RUN_ID in a task names the run of the *task* (kubeflow/
pipelines, backend/src/v2/common/plugins/mlflow/handler.go). A race has runs of its own, because
KFP ends every run that is nested in its own runs when the pipeline ends.
"""

import contextlib
import os
from typing import TYPE_CHECKING

from squadron.tracking.tags import NOTE_TAG, PARENT_RUN_TAG, set_run_tags
from squadron.uris import hide_secrets

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

VARIABLE = "MLFLOW_RUN_ID"
"""The environment variable that names the run of Kubeflow's task."""
RACE_RUN_TAG = "squadron.race_run"
"""A tag of Kubeflow's runs: the id of the race's parent run."""
KFP_RUN_TAG = "squadron.kfp_run"
"""A tag of the race's parent run: the id of the pipeline's run in Kubeflow."""
KFP_URL_TAG = "squadron.kfp_run_url"
"""A tag of the race's parent run: the page of the pipeline's run in Kubeflow."""
KFP_MLFLOW_TAG = "squadron.kfp_mlflow_run"
"""A tag of the race's parent run: the id of the MLflow run of the pipeline's run."""
# KFP sets the tags on the left (backend/src/apiserver/plugins/mlflow/run_start.go).
_FROM_KFP = {"kfp.pipeline_run_id": KFP_RUN_TAG, "kfp.pipeline_run_url": KFP_URL_TAG}
_DEEPEST = 4
"""The number of levels of KFP's nested runs: pipeline, loop, iteration, task."""


def attach_task(client: "MlflowClient", parent_id: str, race_page: str) -> None:
    """Links the run that MLFLOW_RUN_ID names, and its pipeline's run, with the race.

    Nothing happens if this store does not have that run or it was deleted. The links help people,
    and no step fails because of them.

    Args:
        client: A client of the store.
        parent_id: The id of the race's parent run.
        race_page: A link to that run, as `links.run_page` returns it.
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
        if not run.data.tags.get(NOTE_TAG):
            theirs[NOTE_TAG] = f"Part of a race of Squadron: [its run]({race_page})"
        _set_tags(client, str(run.info.run_id), theirs)


def _with_ancestors(client: "MlflowClient", run_id: str) -> "list[Run]":
    """Returns a run and the runs that it is nested in, innermost first; [] if it can't be read."""
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
        run_id = run.data.tags.get(PARENT_RUN_TAG, "")
    return chain


def _set_tags(client: "MlflowClient", run_id: str, tags: dict[str, str]) -> None:
    """Sets tags of a run; does nothing if MLflow refuses them."""
    from mlflow.exceptions import MlflowException

    with contextlib.suppress(MlflowException):
        set_run_tags(client, run_id, tags)
