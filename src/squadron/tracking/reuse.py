"""How often one select split has chosen a winner: a question to all races of the MLflow store.

A split that chooses race after race ends up in the choice: contenders are kept or changed by what
it said of them, and leads on it look surer than they are. Nothing corrects for that here; the
number stands beside the verdict.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from squadron.tracking.race import Race
from squadron.tracking.race_runs import find_parent
from squadron.tracking.store import connect, explained
from squadron.tracking.tags import CONTENDER_TAG, PARENT

if TYPE_CHECKING:
    from mlflow.entities import Run

CHOSEN = "winner_select_exact_match"
"""The metric of a parent run that says that its race has registered or kept a winner."""
PAGE = 1000


def count_choices(race: Race | None, digest: str) -> int | None:
    """How many other races have chosen their winner by this select split.

    All experiments of the store are asked, since one data set may serve races of several names.

    Args:
        race: The race that asks; None is not tracked.
        digest: Of the select split, as ingest logged it.

    Returns:
        None where nothing is tracked.

    Raises:
        InputError: If the store can't be reached.
    """
    own = find_parent(race)
    if not own:
        return None
    client = connect()
    wanted = f"dataset.digest = '{digest}' and tags.`{CONTENDER_TAG}` = '{PARENT}'"
    with explained():
        experiments, token = [], None
        while token != "":
            found = client.search_experiments(max_results=PAGE, page_token=token)
            experiments += [each.experiment_id for each in found]
            token = found.token or ""
        runs, token = [], None
        while token != "":
            some = client.search_runs(experiments, wanted, max_results=PAGE, page_token=token)
            runs += list(some)
            token = some.token or ""
    return count_choosing_runs(runs, digest, own)


def count_choosing_runs(runs: Iterable["Run"], digest: str, own: str) -> int:
    """The runs that have chosen a winner by a select split of this digest, without one's own.

    Args:
        runs: Parent runs of races.
        digest: Of the select split.
        own: The run id that is left out: a race that runs again has not used the split twice.
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
