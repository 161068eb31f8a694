"""Elections: processes that create the same run at the same time agree on one of the runs.

MLflow has no transactions and no unique tags. But every store lets a *parameter* of a run be
written only once, so the first process that writes the parameter `squadron.chosen` of a run decides
its value. docs/decisions/two-at-once.md explains why no two runs can win.
"""

import random
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from squadron.tracking.store import read_all

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

CHOSEN = "squadron.chosen"
"""The parameter that says whether a run was chosen: YES or NO."""
YES, NO = "yes", "no"
_CLASHES = ("BAD_REQUEST", "TEMPORARILY_UNAVAILABLE")
"""MLflow's error codes if two processes write one row, and if the database is locked."""
_TRIES = 8
"""How often a write that clashes is tried."""
P = ParamSpec("P")
T = TypeVar("T")


def find_chosen(client: "MlflowClient", experiment_id: str, wanted: str) -> str:
    """Returns the id of the chosen run, or of the earliest run before a choice; "" without runs.

    Args:
        client: A client of the store.
        experiment_id: The experiment of the runs.
        wanted: A filter of MLflow, which all runs of the election pass.
    """
    chosen, undecided = _sort(_search(client, experiment_id, wanted))
    return next((str(run.info.run_id) for run in [*chosen, *undecided]), "")


def choose_run(
    client: "MlflowClient", experiment_id: str, wanted: str, create: Callable[[], Any]
) -> str:
    """Returns the id of the one run that passes a filter; creates it if there is none.

    Every process that calls this gets the same run. Other runs that pass the filter are deleted.

    Args:
        client: A client of the store.
        experiment_id: The experiment of the runs.
        wanted: A filter of MLflow.
        create: Creates a run that passes the filter as soon as it exists.
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
        # All others are refused first, so that only one run can be chosen.
        if all(_decide(client, run_id, NO) == NO for run_id in others) and (
            _decide(client, first, YES) == YES
        ):
            winner = first
            break
    delete_others(client, experiment_id, wanted, winner)
    return winner


def delete_others(client: "MlflowClient", experiment_id: str, wanted: str, winner: str) -> None:
    """Deletes all runs that pass a filter but one, such as those that a killed process created.

    Args:
        client: A client of the store.
        experiment_id: The experiment of the runs.
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
        write: A function that may be called more than once.
        arguments: Its arguments.
        named: Its keyword arguments.

    Returns:
        What `write` returns.

    Raises:
        MlflowException: If the error is no clash, or the last try clashes, too.
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
    """Returns all runs of an experiment that pass a filter."""
    return read_all(lambda token: client.search_runs([experiment_id], wanted, page_token=token))


def _sort(runs: "Sequence[Run]") -> "tuple[list[Run], list[Run]]":
    """Returns the chosen runs and the undecided runs, each the earliest first."""
    ordered = sorted(runs, key=lambda run: (run.info.start_time, run.info.run_id))
    chosen = [run for run in ordered if run.data.params.get(CHOSEN) == YES]
    return chosen, [run for run in ordered if CHOSEN not in run.data.params]


def _decide(client: "MlflowClient", run_id: str, answer: str) -> str:
    """Writes YES or NO to a run if it has neither; returns the one that the run has then."""
    from mlflow.exceptions import MlflowException

    try:
        persist(client.log_param, run_id, CHOSEN, answer)
    except MlflowException:
        run = client.get_run(run_id)
        if run.info.lifecycle_stage == "deleted":
            return NO  # Only a refused run is ever deleted.
        if CHOSEN not in run.data.params:
            raise
        return str(run.data.params[CHOSEN])
    return answer
