"""The step close_race."""

from squadron import progress
from squadron.steps._step import step


@step
def close_race(*, state: str, message: str) -> None:
    """Ends the race in MLflow and shows its table; runs whatever happened before.

    Args:
        state: Kubeflow's word, a hint only; see `verdict`.
        message: Kubeflow's, if it failed; only kfp.local gives one.
    """
    from squadron import tracking, verdict

    race = tracking.current_race()
    tracking.send_waiting(race)
    run_id = tracking.find_parent(race)
    if not run_id:
        return
    left, content = tracking.read_left(run_id)
    reason = verdict.judge_race(state, left)
    tracking.close_race(run_id, succeeded=not reason, reason=message or reason)
    # A result of an earlier try is no result of one that failed.
    if content and (left.new_result or not reason):
        progress.show_table(content)
