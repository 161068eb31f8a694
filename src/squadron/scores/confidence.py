"""How far the probabilities of a split can be trusted, and what abstaining more would bring."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from squadron.answers import calibration
from squadron.scores.evaluation import Judged


@dataclass(frozen=True)
class ReliabilityGroup:
    """Questions of similar probability: what was said of them, and how many were right."""

    questions: int
    """How many there are."""
    probability: float
    """The mean of their probabilities, 0 to 1."""
    right: float
    """The share of them that is exactly right, 0 to 1."""


@dataclass(frozen=True)
class CurvePoint:
    """What happens if only the questions with the best scores are answered."""

    coverage: float
    """The share of questions that are answered, 0 to 1."""
    risk: float
    """The share of wrong ones among them, 0 to 1."""
    probability: float
    """Of the last answer that is given."""


@dataclass(frozen=True)
class Confidence:
    """The content of confidence.json."""

    SCHEMA: ClassVar[str] = "confidence/1"

    made_from: str
    calibrated: bool
    """Whether the probabilities come from a mapping that was fitted on the tune split."""
    reliability: tuple[ReliabilityGroup, ...]
    """The groups behind the calibration error."""
    risk_coverage: tuple[CurvePoint, ...]
    """At most `calibration.POINTS` points of the curve, by growing coverage."""


def measure_confidence(
    judged: Judged, mapping: calibration.Calibration | None, made_from: str
) -> tuple[Confidence, dict[str, float]]:
    """Measures a split that the mapping was not fitted on.

    Args:
        judged: The answers of the split.
        mapping: From scores to probabilities. A registered model of an early version has none.
        made_from: Digest of what the answers were made from.

    Returns:
        What confidence.json holds, and the figures `ece_before`, `aurc` and, with a mapping, `ece`,
        all 0 to 1.
    """
    score, right = judged.best_spans.score, judged.best_spans.right
    before = calibration.sigmoid(score)
    probability = before if mapping is None else mapping.apply(score)
    # The score orders answers that rounding or a constant mapping makes equally probable.
    curve = calibration.risk_coverage(score, right)
    figures = {
        "ece_before": calibration.expected_calibration_error(before, right),
        "aurc": curve.area,
    }
    if mapping is not None:
        figures["ece"] = calibration.expected_calibration_error(probability, right)
    bins = calibration.reliability(probability, right)
    groups = zip(bins.size.tolist(), bins.probability.tolist(), bins.right.tolist(), strict=True)
    places = np.linspace(0, len(score) - 1, min(len(score), calibration.POINTS)).round().astype(int)
    points = (curve.coverage[places], curve.risk[places], -np.sort(-probability)[places])
    found = Confidence(
        made_from,
        mapping is not None,
        tuple(ReliabilityGroup(int(size), said, true) for size, said, true in groups),
        tuple(CurvePoint(*map(float, point)) for point in zip(*points, strict=True)),
    )
    return found, figures
