"""Reads the figures of a version, and the race that it comes from."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from squadron import tracking
from squadron.registry.versions import Registered
from squadron.wording import Estimate

if TYPE_CHECKING:
    from mlflow.entities import Run

FIGURES = ("select_exact_match", "select_f1", "test_exact_match", "test_f1")
"""The figures that versions are told apart by, as tags and metrics name them."""


@dataclass(frozen=True)
class Evidence:
    """The figures and the race of a version."""

    figures: dict[str, Estimate]
    """Names of FIGURES -> figure with its 95 % interval, 0 to 100; only those that are known."""
    race: str
    """The name of the race, such as example-0123ab; "" if it is not known."""


def read_evidence(version: Registered) -> Evidence:
    """Returns what the run of a version says; if the run was deleted, what the tags say.

    Raises:
        InputError: If the store can't be used.
    """
    run = _find_run(version.run_id)
    metrics = dict(run.data.metrics) if run else {}
    figures = {}
    for name in FIGURES:
        value = metrics.get(name, _read_number(version.tags.get(name, "")))
        if value is not None:
            low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
            figures[name] = Estimate(value, low, high)
    parent = _find_run(run.data.tags.get("mlflow.parentRunId", "")) if run else None
    return Evidence(figures, str(parent.info.run_name) if parent else "")


def _find_run(run_id: str) -> "Run | None":
    """Returns a run; None if there is none."""
    from mlflow.exceptions import MlflowException

    if not run_id:
        return None
    client = tracking.connect_existing()
    with tracking.explained():
        try:
            return client.get_run(run_id)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
    return None


def _read_number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
