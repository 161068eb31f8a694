"""How sure an answer is: scores -> the probability that a question's best answer is exactly right.

A score is the log-odds of a span against "not answered here" in its own window; its sigmoid is no
probability of being right. A mapping fitted on the tune split makes it one, comparable across
passages. It never reverses the order of answers and is plain JSON.

Source: Platt 1999 for the sigmoid and its smoothed labels; Zadrozny and Elkan 2002 for isotonic
regression; Guo et al. 2017 for the calibration error; Geifman and El-Yaniv 2017 for risk and
coverage.

Legend: N questions.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Method = Literal["platt", "isotonic"]

FEWEST = 20
"""Questions with a score that a mapping needs; with fewer, all answers are as likely."""
POINTS = 101
"""Of a risk-coverage curve that is written to a file, at most."""


@dataclass(frozen=True)
class Calibration:
    """A mapping that never falls: sigmoid(slope * score + intercept), or steps joined by lines."""

    method: str
    """"platt", "isotonic", or "constant" where there is nothing to learn a mapping from."""
    slope: float = 0.0
    intercept: float = 0.0
    scores: tuple[float, ...] = ()
    """Rising: the knots of an isotonic mapping."""
    probabilities: tuple[float, ...] = ()
    """At these knots, 0 to 1; of a constant mapping, the one probability."""
    questions: int = 0
    """That it was fitted on."""
    note: str = ""
    """Why it is constant, "" if it is not."""

    def apply(self, scores: npt.ArrayLike) -> Floats:
        """The probability of each score, 0 to 1, of the same shape.

        A higher score never has a lower one; -inf, where there is no answer, has 0.
        """
        score = np.asarray(scores, np.float64)
        if self.method == "platt":
            known = np.where(np.isfinite(score), score, 0.0)
            found = sigmoid(self.slope * known + self.intercept)
        elif self.method == "isotonic":
            found = self._interpolate(score)
        else:
            found = np.full(score.shape, self.probabilities[0])
        found = np.where(score == np.inf, 1.0, found)
        return np.where(score == -np.inf, 0.0, found)

    def _interpolate(self, score: Floats) -> Floats:
        knots, heights = np.asarray(self.scores), np.asarray(self.probabilities)
        at = np.clip(np.searchsorted(knots, score, side="right") - 1, 0, len(knots) - 2)
        share = np.clip((score - knots[at]) / (knots[at + 1] - knots[at]), 0.0, 1.0)
        # Rounding must not lift a value over the next knot's.
        risen = heights[at] + share * (heights[at + 1] - heights[at])
        return np.asarray(np.minimum(risen, heights[at + 1]))

    def as_dict(self) -> dict[str, Any]:
        """For JSON: finite numbers, text and lists."""
        fields = asdict(self)
        return fields | {name: list(fields[name]) for name in ("scores", "probabilities")}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "Calibration":
        """Of what `as_dict` gave."""
        lists = {name: tuple(fields[name]) for name in ("scores", "probabilities")}
        return cls(**{**fields, **lists})


def sigmoid(log_odds: npt.ArrayLike) -> Floats:
    """1 / (1 + exp(-x)), which overflows to 0 and never falls, not even by a rounding."""
    with np.errstate(over="ignore"):
        return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(log_odds, np.float64))))


def fit(scores: npt.ArrayLike, right: npt.ArrayLike, method: Method = "platt") -> Calibration:
    """Learns the mapping; from the tune split only.

    Args:
        scores: Of each question's best answer, shape (N,); those that are not finite are left out.
        right: Whether that answer, before any threshold, is exactly right, shape (N,).
        method: A sigmoid's two numbers, or isotonic regression (docs/decisions/calibration.md).

    Returns:
        A constant mapping with a note where there are too few questions, where all or none are
        right, or where right answers do not score higher.
    """
    score = np.asarray(scores, np.float64)
    label = np.asarray(right, bool)
    known = np.isfinite(score)
    score, label = score[known], label[known]
    count, hits = len(score), int(label.sum())
    # Never 0 or 1: no number of questions is proof. Laplace's rule; Platt's labels give it too.
    mean = (hits + 1) / (count + 2)
    if count < FEWEST:
        return _constant(mean, count, f"only {count} scored questions, {FEWEST} are needed")
    if hits in (0, count):
        return _constant(mean, count, f"{'all' if hits else 'none'} of {count} answers are right")
    if score.max() == score.min():
        return _constant(mean, count, "all scores are equal")
    if method == "isotonic":
        return _fit_isotonic(score, label, mean)
    return _fit_platt(score, label, mean)


def _constant(probability: float, count: int, note: str) -> Calibration:
    return Calibration("constant", probabilities=(probability,), questions=count, note=note)


def _fit_platt(score: Floats, label: npt.NDArray[np.bool_], mean: float) -> Calibration:
    from sklearn.linear_model import LogisticRegression

    count, hits = len(score), int(label.sum())
    centre, spread = float(np.median(score)), float(score.std())
    scaled = ((score - centre) / spread)[:, None]
    # Platt's labels: a right answer counts as (hits + 1) / (hits + 2) right and the rest wrong, so
    # scores that part right from wrong without an error have no endless slope.
    rightness = np.where(label, (hits + 1) / (hits + 2), 1 / (count - hits + 2))
    model = LogisticRegression(C=math.inf, tol=1e-8, max_iter=1000)
    model.fit(
        np.concatenate([scaled, scaled]),
        np.repeat([1, 0], count),
        sample_weight=np.concatenate([rightness, 1 - rightness]),
    )
    slope = float(model.coef_[0, 0]) / spread
    intercept = float(model.intercept_[0]) - slope * centre
    # The loss is convex: where the best slope is negative, the best one allowed is 0.
    if not (slope > 0 and math.isfinite(slope) and math.isfinite(intercept)):
        return _constant(mean, count, "right answers do not score higher than wrong ones")
    return Calibration("platt", slope=slope, intercept=intercept, questions=count)


def _fit_isotonic(score: Floats, label: npt.NDArray[np.bool_], mean: float) -> Calibration:
    from sklearn.isotonic import IsotonicRegression

    model = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(score, label)
    knots = [float(value) for value in model.X_thresholds_]
    if len(knots) < 2 or model.y_thresholds_[0] == model.y_thresholds_[-1]:
        note = "right answers do not score higher than wrong ones"
        return _constant(mean, len(score), note)
    heights = tuple(float(value) for value in model.y_thresholds_)
    return Calibration("isotonic", scores=tuple(knots), probabilities=heights, questions=len(score))


@dataclass(frozen=True)
class Bins:
    """Answers grouped by their probability; only groups with an answer, lowest first."""

    size: npt.NDArray[np.int64]
    probability: Floats
    """Mean of each group."""
    right: Floats
    """Share of each group that is right."""


def reliability(probability: npt.ArrayLike, right: npt.ArrayLike, bins: int = 15) -> Bins:
    """Groups of about equally many answers, as a reliability diagram shows them.

    Equally many and not equally wide: where most answers are sure, bins of equal width leave a few
    answers in most bins, and what is read there is noise (Nixon et al. 2019). Equal probabilities
    share a group, so the order of rows changes nothing.

    Args:
        probability: Shape (N,), 0 to 1.
        right: Shape (N,).
        bins: At most; fewer where probabilities are equal or answers few.
    """
    probability = np.asarray(probability, np.float64)
    right = np.asarray(right, np.float64)
    rank = np.searchsorted(np.sort(probability), probability, side="left")
    group = rank * bins // max(len(probability), 1)
    size = np.bincount(group, minlength=bins)
    # Sums in an order that rows do not decide.
    order = np.lexsort((right, probability))
    sums = [np.bincount(group[order], v[order], minlength=bins) for v in (probability, right)]
    used = size > 0
    return Bins(size[used], sums[0][used] / size[used], sums[1][used] / size[used])


def expected_calibration_error(
    probability: npt.ArrayLike, right: npt.ArrayLike, bins: int = 15
) -> float:
    """How far probabilities are from what comes true, 0 to 1; the mean over `reliability`'s groups.

    0 for no answers.
    """
    found = reliability(probability, right, bins)
    if not len(found.size):
        return 0.0
    gaps = np.abs(found.probability - found.right)
    return float((found.size * gaps).sum() / found.size.sum())


@dataclass(frozen=True)
class RiskCoverage:
    """The share of wrong answers if only the surest k are given, for k = 1 to N."""

    coverage: Floats
    """k / N, shape (N,)."""
    risk: Floats
    """Shape (N,), 0 to 1."""
    area: float
    """Under the curve (AURC), the mean risk; lower is better. 0 for no answers."""


def risk_coverage(confidence: npt.ArrayLike, right: npt.ArrayLike) -> RiskCoverage:
    """The risk-coverage curve and the area under it.

    Answers of equal confidence come in any order, so each counts with the mean of their errors.

    Args:
        confidence: Shape (N,); only its order counts.
        right: Shape (N,).
    """
    confidence = np.asarray(confidence, np.float64)
    wrong = 1.0 - np.asarray(right, np.float64)
    if not len(confidence):
        return RiskCoverage(np.empty(0), np.empty(0), 0.0)
    tie = np.unique(confidence, return_inverse=True)[1]
    errors, sizes = np.bincount(tie, wrong), np.bincount(tie)
    # Highest first; within a tie the mean of its errors.
    shared = np.repeat((errors / sizes)[::-1], sizes[::-1])
    given = np.arange(1, len(confidence) + 1)
    risk = np.cumsum(shared) / given
    return RiskCoverage(given / len(confidence), risk, float(risk.mean()))
