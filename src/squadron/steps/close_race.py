"""The step close_race."""

from squadron import progress
from squadron.steps._step import step


@step
def close_race(*, race: str, state: str, message: str) -> None:
    """Ends the race in MLflow and shows its table; runs whatever happened before.

    Args:
        race: JSON of tracking.Race.
        state: Kubeflow's word: SUCCEEDED or anything else.
        message: Kubeflow's, if it failed.
    """
    from squadron import tracking

    known = tracking.read_race(race)
    tracking.send_waiting(known)
    run_id = tracking.find_parent(known)
    if not run_id:
        return
    succeeded = state == "SUCCEEDED"
    tracking.close_race(run_id, succeeded=succeeded, reason=message)
    content = tracking.read_json_artifact(run_id, "champion.json") if succeeded else None
    if content:
        progress.show_table(content)
