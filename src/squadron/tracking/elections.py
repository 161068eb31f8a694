"""One run among many: processes that look for the same run at once agree on one.

MLflow offers no transactions and no unique tags. A run's *parameter* can be written once and never
changed, which every store enforces; so the parameter `squadron.chosen` of a run is decided by
whoever writes it first. docs/decisions/two-at-once.md has the argument why two can't win.
"""

import random
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

CHOSEN = "squadron.chosen"
YES, NO = "yes", "no"
_CLASHES = ("BAD_REQUEST", "TEMPORARILY_UNAVAILABLE")
"""MLflow's error codes for two writers of one row and for a locked database."""
_TRIES = 8
P = ParamSpec("P")
T = TypeVar("T")


def find_chosen(client: "MlflowClient", experiment_id: str, wanted: str) -> str:
    """The id of the run that was chosen; before a choice the earliest; "" if there is none.

    Args:
        client: Of the store.
        experiment_id: Where to look.
        wanted: A filter of MLflow that equal runs pass.
    """
    chosen, undecided = _sort(_search(client, experiment_id, wanted))
    return next((str(run.info.run_id) for run in [*chosen, *undecided]), "")


def choose_run(
    client: "MlflowClient", experiment_id: str, wanted: str, create: Callable[[], Any]
) -> str:
    """The id of the one run that passes a filter, created if there is none.

    Every process that calls this gets the same run, and the others are deleted.

    Args:
        client: Of the store.
        experiment_id: Where to look.
        wanted: A filter of MLflow.
        create: Creates a run that passes the filter from the start.
    """
    while True:
        chosen, undecided = _sort(_search(client, experiment_id, wanted))
        if chosen:
            winner = str(chosen[0].info.run_id)
            break
        if not undecided:
            create()
            continue
        first, *others = (str(run.info.run_id) for run in undecided)
        # All others are turned down first: the choice must be the only one when it is made.
        if all(_decide(client, run_id, NO) == NO for run_id in others) and (
            _decide(client, first, YES) == YES
        ):
            winner = first
            break
    delete_others(client, experiment_id, wanted, winner)
    return winner


def delete_others(client: "MlflowClient", experiment_id: str, wanted: str, winner: str) -> None:
    """Deletes the runs that pass a filter and were not chosen, such as those of a killed process.

    Args:
        client: Of the store.
        experiment_id: Where to look.
        wanted: A filter of MLflow.
        winner: The id of the run that stays.
    """
    for run in _search(client, experiment_id, wanted):
        run_id = str(run.info.run_id)
        if run_id != winner and _decide(client, run_id, NO) == NO:
            persist(client.delete_run, run_id)


def persist(write: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
    """Repeats a write that clashed with the same write of another process.

    Args:
        write: A function that may be called twice.
        arguments: What it is called with.
        named: Likewise, by name.

    Raises:
        MlflowException: The last one, if it isn't a clash or doesn't end.
    """
    from mlflow.exceptions import MlflowException

    for attempt in range(_TRIES):
        try:
            return write(*arguments, **named)
        except MlflowException as error:
            if error.error_code not in _CLASHES or attempt == _TRIES - 1:
                raise
            time.sleep(random.uniform(0.5, 1.0) * 0.02 * 2**attempt)
    raise AssertionError("unreachable")


def _search(client: "MlflowClient", experiment_id: str, wanted: str) -> "list[Run]":
    found: list[Run] = []
    token = None
    while True:
        page = client.search_runs([experiment_id], wanted, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def _sort(runs: "Sequence[Run]") -> "tuple[list[Run], list[Run]]":
    """The runs that were chosen and the undecided ones, each the earliest first."""
    ordered = sorted(runs, key=lambda run: (run.info.start_time, run.info.run_id))
    chosen = [run for run in ordered if run.data.params.get(CHOSEN) == YES]
    return chosen, [run for run in ordered if CHOSEN not in run.data.params]


def _decide(client: "MlflowClient", run_id: str, answer: str) -> str:
    """Writes the answer unless there is one; returns the one that counts."""
    from mlflow.exceptions import MlflowException

    try:
        persist(client.log_param, run_id, CHOSEN, answer)
    except MlflowException:
        run = client.get_run(run_id)
        if run.info.lifecycle_stage == "deleted":
            return NO  # Only a run that was turned down is deleted.
        if CHOSEN not in run.data.params:
            raise
        return str(run.data.params[CHOSEN])
    return answer
