"""Brings figures to MLflow that never arrived there, from the evaluation folders of a race."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from squadron import standings
from squadron.artifacts import read_json

if TYPE_CHECKING:
    from squadron.tracking import Race

TRAINED = (
    "parameters",
    "trainable_parameters",
    "peak_memory_mb",
    "examples_per_second",
    "best_epoch",
)
"""Figures of the training that the step train logs."""


def replay_contenders(
    race: "Race | None", rows: Sequence[Mapping[str, Any]], evaluations: Sequence[Path]
) -> None:
    """Logs the figures of every contender whose run has not ended, and ends that run.

    The steps of such a contender could not reach MLflow, and their disk may be gone.

    Args:
        race: Nothing is logged without one.
        rows: metrics.json of each contender.
        evaluations: The evaluation folders, in the same order.

    Raises:
        InputError: If MLflow can't be reached.
    """
    from squadron import tracking

    for row, folder in zip(rows, evaluations, strict=True):
        run_id = tracking.find_child(race, row["label"])
        if not run_id or tracking.has_ended(run_id):
            continue
        training = read_json(folder / "training_log.json", schema="training_log/1")
        tracking.log_points(run_id, training["log"])
        if not row["disqualified"]:
            tracking.log_artifacts(run_id, folder, "evaluation")
        trained = {name: row["training"][name] for name in TRAINED if name in row["training"]}
        tracking.log_metrics(run_id, {**standings.run_figures(row), **trained})
        tracking.close_contender(run_id, row["disqualified"])
