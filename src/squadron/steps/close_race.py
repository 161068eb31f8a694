"""The step close_race: ends the race in MLflow and shows its table."""

from dataclasses import replace

from squadron import progress
from squadron.artifacts import parse_record, to_content
from squadron.scores.race_result import RaceResult
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
    left, text = tracking.read_left(run_id)
    if not verdict.may_close(state, left, this_try):
        return
    reason = verdict.judge_race(state, left)
    tracking.close_race(run_id, succeeded=not reason, reason=message or reason)
    # A try that failed must not show the result of an earlier try.
    is_own = left.new_result and (left.opened or bool(this_try))
    if text and (is_own or not reason):
        result = parse_record(RaceResult, text)
        _show_table(_update(result, is_new=is_own), tracking.find_report(run_id))


def _update(result: RaceResult, *, is_new: bool) -> RaceResult:
    """Returns the result of a race with the aliases of its model as they are now.

    Args:
        result: What register wrote, in this try or in an earlier one.
        is_new: Whether this try wrote it.
    """
    from squadron.registry.versions import list_aliases

    if result.model is None:
        return result
    # If an earlier try moved the alias, that try has shown it.
    previous = result.model.previous if is_new else ""
    aliases = list_aliases(result.model.name)
    return replace(result, model=replace(result.model, aliases=aliases, previous=previous))


def _show_table(result: RaceResult, report: str) -> None:
    """Shows the table of the race: the launcher draws it, or else it is printed to stdout.

    Args:
        result: With current aliases.
        report: The place of the report; "" if there is none.
    """
    if progress.has_launcher():
        progress.emit({"kind": "table", "result": to_content(result), "report": report})
    else:
        from squadron.reports.race_table import render_table, screen_width

        table = render_table(result, report, screen_width())
        print(table, flush=True)  # noqa: T201 what a pod's log ends with
