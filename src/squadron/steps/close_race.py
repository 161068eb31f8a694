"""The step close_race."""

from typing import Any

from squadron import progress
from squadron.steps._step import step


@step
def close_race(*, state: str, message: str, this_try: str = "") -> None:
    """Ends the race in MLflow and shows its table; runs whatever happened before.

    A try that ended before it opened the race leaves everything in MLflow as it is: the race may
    have been finished by an earlier try.

    Args:
        state: Kubeflow's word, a hint only; see `verdict`.
        message: Kubeflow's, if it failed; only kfp.local gives one.
        this_try: As for `open_race`; "" where nobody knows it, as after an interruption.
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
    # A result of an earlier try is no result of one that failed.
    is_own = left.new_result and (left.opened or bool(this_try))
    if content and (is_own or not reason):
        _show_table(_update(content, run_id, is_new=is_own))


def _update(champion: dict[str, Any], run_id: str, *, is_new: bool) -> dict[str, Any]:
    """champion.json with what may have changed since, and with the place of the report.

    Args:
        champion: As register wrote it, in this try or in an earlier one.
        run_id: Of the race.
        is_new: This try wrote it.
    """
    from squadron import tracking
    from squadron.registry.versions import list_aliases

    shown = {**champion, "report": tracking.find_report(run_id)}
    if champion["model"]:
        aliases = list_aliases(champion["model"]["name"])
        # An earlier try moved the alias, and has said so.
        previous = champion["model"].get("previous", "") if is_new else ""
        shown["model"] = {**champion["model"], "aliases": aliases, "previous": previous}
    return shown


def _show_table(champion: dict[str, Any]) -> None:
    """Shows the race's table: through the launcher where there is one, else on stdout."""
    if progress.has_launcher():
        progress.emit({"kind": "table", "champion": champion})
    else:
        from squadron.reports.race_table import render_table, screen_width

        print(render_table(champion, screen_width()), flush=True)  # noqa: T201 what a pod's log ends with
