"""The step close_race: ends the race in MLflow and shows its table."""

from typing import Any

from squadron import progress
from squadron.steps._step import step


@step
def close_race(*, state: str, message: str, this_try: str = "") -> None:
    """Ends the race in MLflow and shows its table. It runs whatever happened before.

    A try that ended before it opened the race changes nothing in MLflow, because an earlier try may
    have finished the race.

    Args:
        state: The status that Kubeflow gives. It is only a hint; see `verdict`.
        message: The error message that Kubeflow gives; only kfp.local gives one.
        this_try: The same id as for `open_race`; "" if it is unknown, as after an interruption.
    """
    from squadron import tracking
    from squadron.tracking import verdict

    race = tracking.current_race()
    tracking.send_waiting(race)
    run_id = tracking.find_parent(race)
    if not run_id:
        return
    left, content = tracking.read_left(run_id)
    if not verdict.may_close(state, left, this_try):
        return
    reason = verdict.judge_race(state, left)
    tracking.close_race(run_id, succeeded=not reason, reason=message or reason)
    # A try that failed must not show the result of an earlier try.
    is_own = left.new_result and (left.opened or bool(this_try))
    if content and (is_own or not reason):
        _show_table(_update(content, run_id, is_new=is_own))


def _update(champion: dict[str, Any], run_id: str, *, is_new: bool) -> dict[str, Any]:
    """Returns the content of champion.json with the current aliases and the place of the report.

    Args:
        champion: The content that register wrote, in this try or in an earlier one.
        run_id: The id of the parent run.
        is_new: Whether this try wrote it.
    """
    from squadron import tracking
    from squadron.registry.versions import list_aliases

    shown = {**champion, "report": tracking.find_report(run_id)}
    if champion["model"]:
        aliases = list_aliases(champion["model"]["name"])
        # If an earlier try moved the alias, that try has shown it.
        previous = champion["model"].get("previous", "") if is_new else ""
        shown["model"] = {**champion["model"], "aliases": aliases, "previous": previous}
    return shown


def _show_table(champion: dict[str, Any]) -> None:
    """Shows the table of the race: the launcher draws it, or else it is printed to stdout."""
    if progress.has_launcher():
        progress.emit({"kind": "table", "champion": champion})
    else:
        from squadron.reports.race_table import render_table, screen_width

        print(render_table(champion, screen_width()), flush=True)  # noqa: T201 what a pod's log ends with
