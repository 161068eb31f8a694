"""Finds the mean probability of a model's answers in its evaluation.

The mean probability of the answers that the server gives is compared with it. If they differ much,
the questions are not like those of the evaluation, or the probabilities can't be trusted.
"""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from squadron.artifacts import read_record
from squadron.errors import InputError
from squadron.scores.confidence import Confidence

if TYPE_CHECKING:
    from squadron.registry import OpenedModel

FILE = "evaluation/select/confidence.json"
"""In the artifacts of the run of a version, and beside the folder of a model."""


def find_mean_probability(opened: "OpenedModel") -> float | None:
    """Returns the mean probability of the answers on select, 0 to 1; None if it is not known."""
    try:
        if opened.version is None:
            path = opened.folder.parent / FILE
            return _read_mean(path) if path.is_file() else None
        return _download_mean(opened.version.run_id)
    except InputError:
        return None


def _download_mean(run_id: str) -> float | None:
    """Returns the mean of the file that a run has; None if it has none."""
    import mlflow

    if not run_id:
        return None
    with tempfile.TemporaryDirectory() as temporary:
        try:
            path = mlflow.artifacts.download_artifacts(
                run_id=run_id, artifact_path=FILE, dst_path=temporary
            )
        except (mlflow.exceptions.MlflowException, OSError):
            return None
        return _read_mean(Path(path))


def _read_mean(path: Path) -> float | None:
    groups = read_record(Confidence, path).reliability
    questions = sum(each.questions for each in groups)
    if not questions:
        return None
    return sum(each.questions * each.probability for each in groups) / questions
