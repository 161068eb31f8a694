"""The tags of a race's runs in MLflow: their names, their values, and how they are written."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow import MlflowClient

RACE_TAG = "squadron.race"
"""The key of the race that a run belongs to."""
CONTENDER_TAG = "squadron.contender"
"""The label of the contender, or PARENT."""
PARENT = "-"
"""The value of the contender tag of a parent run. No label of a contender can be equal to it."""
FAILURE_TAG = "squadron.failure"
"""Why a step failed."""
STATUS_TAG = "squadron.status"
"""The status of a run in words, with the reason of a failure."""
FINISHED, DISQUALIFIED = "finished", "disqualified: "
"""The status of a contender that ended: FINISHED, or DISQUALIFIED followed by the reason."""
RESULT_TAG = "squadron.result"
"""Which try of the race wrote its result: THIS_TRY or EARLIER_TRY."""
REPORT_TAG = "squadron.report"
"""Which try of the race wrote its report: THIS_TRY or EARLIER_TRY."""
THIS_TRY, EARLIER_TRY = "this try", "an earlier try"
TRY_TAG = "squadron.try"
"""The id of the pipeline's run that opened the race last."""
WORK_TAG = "squadron.last_step"
"""The step of this try that began last; "" as long as every step came from the cache."""
STANDING_TAG = "squadron.standing"
"""How a contender compares with the winner, in words; "winner" for the winner."""
NOTE_TAG = "mlflow.note.content"
"""The description of a run or an experiment on MLflow's pages, in Markdown."""
COLOUR_TAG = "mlflow.runColor"
"""The colour of a run in MLflow's charts."""
PARENT_RUN_TAG = "mlflow.parentRunId"
"""The id of the run in which MLflow nests a run."""
COMMIT_TAG = "mlflow.source.git.commit"
VIEW_TAG = "mlflow.sharedViewState."
"""The beginning of a tag whose end is the key of a view. MLflow lists the view under Views, and a
link that names the key opens it."""


def shows_end(tags: Mapping[str, str]) -> bool:
    """Says whether the tags of a contender's run say that it finished or was disqualified."""
    status = tags.get(STATUS_TAG, "")
    return status == FINISHED or status.startswith(DISQUALIFIED)


def delete_run_tag(client: "MlflowClient", run_id: str, tag: str) -> None:
    """Deletes a tag of a run; does nothing if the run does not have it."""
    from mlflow.exceptions import MlflowException

    try:
        client.delete_tag(run_id, tag)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def set_run_tags(client: "MlflowClient", run_id: str, tags: Mapping[str, str]) -> None:
    """Sets tags of a run in one call."""
    from mlflow.entities import RunTag

    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
