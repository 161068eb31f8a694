"""The step close_race."""

from squadron import progress
from squadron.steps._step import step


@step
def close_race(*, state: str, message: str) -> None:
    """Ends the race in MLflow and shows its table; runs whatever happened before.

    Args:
        state: Kubeflow's word: SUCCEEDED or anything else.
        message: Kubeflow's, if it failed.
    """
    from squadron import tracking

    run_id = tracking.find_parent(tracking.current_race())
    if not run_id:
        return
    succeeded = state == "SUCCEEDED"
    tracking.close_race(run_id, succeeded=succeeded, reason=message)
    content = tracking.read_json_artifact(run_id, "champion.json") if succeeded else None
    if content:
        progress.show_table(content)
