"""What is kept of a training once it is over: its speed, its size, its best epoch, its points."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class TrainingSummary:
    """A training that ended, or the parameters of a contender that does not train.

    None stands for what a contender without a training does not have.
    """

    epoch: int = 0
    """Epochs that were run."""
    best_epoch: int | None = None
    """The epoch that was kept; the first one is 1."""
    best_exact_match: float | None = None
    """EM of that epoch on tune, 0 to 100; None if epochs were not judged."""
    seconds: float | None = None
    """Time in optimizer steps, without evaluation and saving."""
    seconds_train: float | None = None
    """Time of the whole step."""
    windows_seen: int = 0
    """Windows trained on, over all epochs."""
    examples_per_second: float | None = None
    """Questions per second of optimizer steps."""
    parameters: float | None = None
    trainable_parameters: float | None = None
    """Those that training changes; 0 for a contender that does not train."""
    peak_memory_mb: float | None = None
    """Of the process that trained."""
    gpu_memory_mb: float | None = None
    """The most memory of the GPU that tensors took at once; None without a GPU."""
    log: tuple[dict[str, float], ...] = ()
    """One row per point: step, epoch, and the loss or the figures on tune."""

    @property
    def figures(self) -> dict[str, float]:
        """The figures that MLflow shows, as far as there are any."""
        names = (
            *("examples_per_second", "best_epoch", "parameters", "trainable_parameters"),
            *("peak_memory_mb", "gpu_memory_mb", "seconds_train"),
        )
        return {name: float(value) for name in names if (value := getattr(self, name)) is not None}

    @property
    def whole_seconds(self) -> float | None:
        """The time of the whole step where that is known, else the time in optimizer steps."""
        return self.seconds_train or self.seconds


@dataclass(frozen=True)
class TrainingLog:
    """The content of training_log.json in the folder of an evaluation."""

    SCHEMA: ClassVar[str] = "training_log/1"

    made_from: str
    log: tuple[dict[str, float], ...]
    """As in `TrainingSummary`; empty for a contender that does not train."""


def keep_known(fields: Mapping[str, object]) -> dict[str, object]:
    """Returns the fields that a summary has; earlier versions wrote more, which nothing uses."""
    return {name: fields[name] for name in TrainingSummary.__dataclass_fields__ if name in fields}


def finite_points(points: Iterable[Mapping[str, float]]) -> tuple[dict[str, float], ...]:
    """Returns points without the figures that overflowed, which JSON does not have."""
    return tuple(
        {name: value for name, value in point.items() if math.isfinite(value)} for point in points
    )
