"""What a race left in MLflow: its result, its report, its figures, and why it failed.

`verdict` judges by it whether the race is finished.
"""

from squadron.tracking.links import artifact_place
from squadron.tracking.store import connect, explained
from squadron.tracking.tags import (
    FAILURE_TAG,
    REPORT_TAG,
    RESULT_TAG,
    THIS_TRY,
    TRY_TAG,
    WORK_TAG,
    delete_run_tag,
    set_run_tags,
    shows_end,
)
from squadron.tracking.verdict import Left

RESULT_FILE = "race_result.json"
"""The artifact of the parent run with the result of the race."""
REPORT_FILE = "report.html"
"""The artifact of the parent run with the report of the race."""


def find_report(run_id: str) -> str:
    """Returns where a person can open the report of a race; "" if it has none."""
    client = connect()
    with explained():
        names = [each.path for each in client.list_artifacts(run_id)]
    return artifact_place(run_id, REPORT_FILE) if REPORT_FILE in names else ""


def has_ended(run_id: str) -> bool:
    """Says whether a contender's run has ended: finished or disqualified."""
    client = connect()
    with explained():
        return shows_end(client.get_run(run_id).data.tags)


def read_metrics(run_id: str) -> dict[str, float]:
    """Returns the last value of each metric of a run; {} for the run id ""."""
    if not run_id:
        return {}
    client = connect()
    with explained():
        return dict(client.get_run(run_id).data.metrics)


def read_artifact(run_id: str, name: str) -> str | None:
    """Returns the text of an artifact of a run; None if there is none."""
    import mlflow

    client = connect()
    with explained():
        if name not in {file.path for file in client.list_artifacts(run_id)}:
            return None
        return str(mlflow.artifacts.load_text(f"runs:/{run_id}/{name}"))


def note_result(parent_id: str) -> None:
    """Marks the race's result as one of this try, and clears a failure that was noted before."""
    _note_end(parent_id, RESULT_TAG)


def note_report(parent_id: str) -> None:
    """Marks the race's report as one of this try, and clears a failure that was noted before."""
    _note_end(parent_id, REPORT_TAG)


def _note_end(parent_id: str, tag: str) -> None:
    """Marks something as made in this try; a step that succeeds has overcome earlier failures."""
    if not parent_id:
        return
    client = connect()
    with explained():
        set_run_tags(client, parent_id, {tag: THIS_TRY})
        delete_run_tag(client, parent_id, FAILURE_TAG)


def read_left(parent_id: str) -> tuple[Left, str | None]:
    """Returns what this try of a race left behind, and the text of its result if there is one."""
    content = read_artifact(parent_id, RESULT_FILE)
    client = connect()
    with explained():
        run = client.get_run(parent_id)
    tags = run.data.tags
    left = Left(
        opened=run.info.status == "RUNNING",
        worked=bool(tags.get(WORK_TAG)),
        result=content is not None,
        new_result=content is not None and tags.get(RESULT_TAG) == THIS_TRY,
        reported=tags.get(REPORT_TAG) == THIS_TRY,
        failure=tags.get(FAILURE_TAG, ""),
        opened_by=tags.get(TRY_TAG, ""),
    )
    return left, content
