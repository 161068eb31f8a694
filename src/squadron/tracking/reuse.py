"""Counts how many races of the MLflow store chose their winner on the same select split.

If people keep or change contenders because of their figures on one split, race after race, leads on
that split look more certain than they are. Nothing here corrects for this. The number is shown
beside the result.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from squadron.tracking.race import Race
from squadron.tracking.race_runs import find_parent
from squadron.tracking.store import connect, explained, read_all
from squadron.tracking.tags import CONTENDER_TAG, PARENT

if TYPE_CHECKING:
    from mlflow.entities import Run

CHOSEN = "winner_select_exact_match"
"""The metric of a parent run whose race has registered or kept a winner."""
PAGE = 1000
"""How many results MLflow returns in one page of a search."""


def count_choices(race: Race | None, digest: str) -> int | None:
    """Counts the other races that have chosen their winner on this select split.

    All experiments of the store are searched, since races of several names may use the same data.

    Args:
        race: The race to count for; None means that nothing is tracked.
        digest: The digest of the select split, as ingest logged it.

    Returns:
        The number of races; None if nothing is tracked.

    Raises:
        InputError: If the store can't be reached.
    """
    own = find_parent(race)
    if not own:
        return None
    client = connect()
    wanted = f"dataset.digest = '{digest}' and tags.`{CONTENDER_TAG}` = '{PARENT}'"
    with explained():
        found = read_all(
            lambda token: client.search_experiments(max_results=PAGE, page_token=token)
        )
        experiments = [each.experiment_id for each in found]
        runs = read_all(
            lambda token: client.search_runs(
                experiments, wanted, max_results=PAGE, page_token=token
            )
        )
    return count_choosing_runs(runs, digest, own)


def count_choosing_runs(runs: Iterable["Run"], digest: str, own: str) -> int:
    """Counts the runs that have chosen a winner on a select split with this digest.

    Args:
        runs: Parent runs of races.
        digest: The digest of the select split.
        own: The id of a run that does not count: a race that runs again has not used the split
            twice.
    """
    return sum(
        run.info.run_id != own
        and CHOSEN in run.data.metrics
        and any(
            each.dataset.name == "select" and each.dataset.digest == digest
            for each in (run.inputs.dataset_inputs if run.inputs else ())
        )
        for run in runs
    )
