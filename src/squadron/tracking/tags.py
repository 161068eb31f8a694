"""The tags that Squadron sets on MLflow runs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

RACE_TAG = "squadron.race"
CONTENDER_TAG = "squadron.contender"
PARENT = "-"
"""The contender tag of a parent run; no label can be it."""
FAILURE_TAG = "squadron.failure"
STATUS_TAG = "squadron.status"
FINISHED, DISQUALIFIED = "finished", "disqualified: "
"""What the status of a contender that came to its end is, or begins with."""
RESULT_TAG = "squadron.result"
REPORT_TAG = "squadron.report"
"""Which try of the race wrote its result, and its report."""
THIS_TRY, EARLIER_TRY = "this try", "an earlier try"
TRY_TAG = "squadron.try"
"""Id of the pipeline's run that opened the race last: only that run closes it."""
WORK_TAG = "squadron.last_step"
"""The step of this try that began last; "" while all of them come from the cache."""
STANDING_TAG = "squadron.standing"
NOTE_TAG = "mlflow.note.content"
"""What MLflow's pages show as the description of a run or an experiment, in Markdown."""
COLOUR_TAG = "mlflow.runColor"
PARENT_RUN_TAG = "mlflow.parentRunId"
COMMIT_TAG = "mlflow.source.git.commit"
VIEW_TAG = "mlflow.sharedViewState."
"""And the key of the view: MLflow offers it under Views, and to links that name the key."""


def shows_end(tags: Mapping[str, str]) -> bool:
    status = tags.get(STATUS_TAG, "")
    return status == FINISHED or status.startswith(DISQUALIFIED)


def delete_run_tag(client: "MlflowClient", run_id: str, tag: str) -> None:
    """Deletes a tag; one that is not there, or that another process deleted, is no error."""
    from mlflow.exceptions import MlflowException

    try:
        client.delete_tag(run_id, tag)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def set_run_tags(client: "MlflowClient", run_id: str, tags: Mapping[str, str]) -> None:
    from mlflow.entities import RunTag

    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
