"""The content of status.json: what predict tells evaluate about a contender."""

from dataclasses import dataclass, field
from typing import ClassVar

from squadron.answers.answering import Answering
from squadron.models.training_summary import TrainingSummary


@dataclass(frozen=True)
class Status:
    """A contender after its predictions."""

    SCHEMA: ClassVar[str] = "status/2"

    made_from: str
    disqualified: str = ""
    """Why it is disqualified; "" if it is not."""
    training: TrainingSummary = field(default_factory=TrainingSummary)
    params: dict[str, object] = field(default_factory=dict)
    """The settings that someone chose for it."""
    figures: dict[str, float] = field(default_factory=dict)
    """Of the steps before evaluate, as MLflow shows them."""
    trained_on: str = "unknown"
    """`trained_on.Record.standing`."""
    answering: Answering | None = None
    """How a registered model answers; None for others."""
