"""The content of metrics.json: what the step evaluate found out about one contender."""

from dataclasses import dataclass, field
from typing import ClassVar

from squadron.answers.answering import Answering
from squadron.data.contamination import Shared
from squadron.models.training_summary import TrainingSummary
from squadron.scores.figures import SplitFigures
from squadron.scores.open_domain import OpenDomain


@dataclass(frozen=True)
class ContenderResult:
    """A contender: what it is, how it was trained, how it answers, and its figures."""

    SCHEMA: ClassVar[str] = "metrics/2"

    made_from: str
    label: str
    variant: str
    group: str = ""
    """The label of contenders that differ in their seed alone; "" for others."""
    disqualified: str = ""
    """Why it is disqualified; "" if it is not. Then it has no splits."""
    training: TrainingSummary = field(default_factory=TrainingSummary)
    """Without its points, which are in training_log.json."""
    params: dict[str, object] = field(default_factory=dict)
    """The settings that someone chose for it."""
    trained_on: str = "unknown"
    """`trained_on.Record.standing`."""
    synthetic: str = ""
    """How many of the questions that it was trained on here are synthetic, in a sentence; "" if
    none is."""
    shared_with_train: dict[str, Shared] = field(default_factory=dict)
    """Judged split -> what it shares with train."""
    splits: dict[str, SplitFigures] = field(default_factory=dict)
    """Judged split -> its figures. A test split that was trained on has none."""
    digests: dict[str, str] = field(default_factory=dict)
    """Judged split -> digest of its examples."""
    errors: dict[str, dict[str, int]] = field(default_factory=dict)
    """Split -> kind of wrong answers -> how many."""
    null_thresholds: dict[str, float | None] = field(default_factory=dict)
    """The best null thresholds on tune, by `exact_match` and by `f1`."""
    answering: Answering = field(default_factory=Answering)
    open_domain: OpenDomain | None = None
    """With the passage to be found first; None if the race has no documents."""
    figures: dict[str, float] = field(default_factory=dict)
    """The figures that MLflow shows, of all its steps."""

    @property
    def select(self) -> SplitFigures:
        """Figures on select; a disqualified contender has none."""
        return self.splits["select"]

    def run_figures(self) -> dict[str, float]:
        """Returns the figures of all splits as the contender's run names them: select_f1, ..."""
        return {
            "disqualified": float(bool(self.disqualified)),
            **{
                f"{split}_{name}": value
                for split, figures in self.splits.items()
                for name, value in figures.flat().items()
            },
            **(self.open_domain.flat() if self.open_domain else {}),
        }
