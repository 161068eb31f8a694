"""How sure an answer is: scores -> the probability that a question's best answer is exactly right.

A score is the log-odds of a span against "not answered here" in the same window. Its sigmoid is not
the probability of being right. A mapping fitted on the tune split turns scores into probabilities,
which can be compared across passages. The mapping never reverses the order of answers, and it is
stored as plain JSON.

Source: Platt 1999 for the mapping and its smoothed labels; Guo et al. 2017 for the calibration
error; Geifman and El-Yaniv 2017 for risk and coverage.

Legend: N questions.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from squadron.errors import InputError

Floats = npt.NDArray[np.float64]

METHODS = ("platt", "constant")
FEWEST = 20
"""Number of questions with a score that a fit needs. With fewer, the mapping is constant."""
POINTS = 101
"""Maximum number of points saved for a risk-coverage curve."""


@dataclass(frozen=True)
class Calibration:
    """A mapping of scores to probabilities: sigmoid(slope * score + intercept), or a constant."""

    method: str
    """One of METHODS; "constant" where a mapping can't be fitted."""
    slope: float = 0.0
    intercept: float = 0.0
    probabilities: tuple[float, ...] = ()
    """The one probability of a constant mapping. It is a list because stored models have one."""
    questions: int = 0
    """Number of questions on which the mapping was fitted."""
    note: str = ""
    """Why the mapping is constant; "" if it is not."""

    def __post_init__(self) -> None:
        """Refuses a method that this version does not know."""
        if self.method not in METHODS:
            raise InputError(
                f"The model's probabilities come from the method {self.method!r}, this "
                f"version knows {METHODS}; use the version of squadron that registered it"
            )

    def apply(self, scores: npt.ArrayLike) -> Floats:
        """Returns the probability of each score, 0 to 1, in the same shape.

        A higher score never gets a lower probability. A score of -inf (no answer) gets 0.
        """
        score = np.asarray(scores, np.float64)
        if self.method == "platt":
            known = np.where(np.isfinite(score), score, 0.0)
            found = sigmoid(self.slope * known + self.intercept)
        else:
            found = np.full(score.shape, self.probabilities[0])
        found = np.where(score == np.inf, 1.0, found)
        return np.where(score == -np.inf, 0.0, found)


def sigmoid(log_odds: npt.ArrayLike) -> Floats:
    """Returns 1 / (1 + exp(-x)). It overflows to 0 and never falls, not even by rounding."""
    with np.errstate(over="ignore"):
        return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(log_odds, np.float64))))


def fit(scores: npt.ArrayLike, right: npt.ArrayLike) -> Calibration:
    """Fits the mapping. Use questions of the tune split only.

    Args:
        scores: Score of each question's best answer, shape (N,). Scores that are not finite are
            left out.
        right: Whether that answer, before any threshold, is exactly right, shape (N,).

    Returns:
        A sigmoid. A constant mapping with a note if there are too few questions, if all or no
        answers are right, or if right answers do not score higher.
    """
    score = np.asarray(scores, np.float64)
    label = np.asarray(right, bool)
    known = np.isfinite(score)
    score, label = score[known], label[known]
    count, hits = len(score), int(label.sum())
    # Laplace's rule, which also follows from Platt's labels: the mean is never 0 or 1, because no
    # number of questions proves that all others are the same.
    mean = (hits + 1) / (count + 2)
    if count < FEWEST:
        return _constant(mean, count, f"only {count} scored questions, {FEWEST} are needed")
    if hits in (0, count):
        return _constant(mean, count, f"{'all' if hits else 'none'} of {count} answers are right")
    if score.max() == score.min():
        return _constant(mean, count, "all scores are equal")
    return _fit_platt(score, label, mean)


def _constant(probability: float, count: int, note: str) -> Calibration:
    return Calibration("constant", probabilities=(probability,), questions=count, note=note)


def _fit_platt(score: Floats, label: npt.NDArray[np.bool_], mean: float) -> Calibration:
    from sklearn.linear_model import LogisticRegression

    count, hits = len(score), int(label.sum())
    centre, spread = float(np.median(score)), float(score.std())
    scaled = ((score - centre) / spread)[:, None]
    # Platt's labels: a right answer counts as right by (hits + 1) / (hits + 2) and as wrong by the
    # rest. So the slope stays finite, even if the scores separate right and wrong perfectly.
    rightness = np.where(label, (hits + 1) / (hits + 2), 1 / (count - hits + 2))
    model = LogisticRegression(C=math.inf, tol=1e-8, max_iter=1000)
    model.fit(
        np.concatenate([scaled, scaled]),
        np.repeat([1, 0], count),
        sample_weight=np.concatenate([rightness, 1 - rightness]),
    )
    slope = float(model.coef_[0, 0]) / spread
    intercept = float(model.intercept_[0]) - slope * centre
    # The loss is convex: if the best slope is negative, the best allowed slope is 0.
    if not (slope > 0 and math.isfinite(slope) and math.isfinite(intercept)):
        return _constant(mean, count, "right answers do not score higher than wrong ones")
    return Calibration("platt", slope=slope, intercept=intercept, questions=count)


@dataclass(frozen=True)
class Bins:
    """Answers in groups by their probability, the lowest first. No group is empty."""

    size: npt.NDArray[np.int64]
    """Number of answers in each group."""
    probability: Floats
    """Mean probability of each group."""
    right: Floats
    """Share of right answers in each group, 0 to 1."""


def reliability(probability: npt.ArrayLike, right: npt.ArrayLike, bins: int = 15) -> Bins:
    """Groups answers as a reliability diagram shows them: about equally many in each group.

    The groups are not equally wide. If most answers are sure, most groups of equal width hold only
    a few answers and show noise (Nixon et al. 2019). Answers with equal probabilities share a
    group, so the order of the rows does not matter.

    Args:
        probability: Shape (N,), 0 to 1.
        right: Whether each answer is right, shape (N,).
        bins: Maximum number of groups. Equal probabilities or few answers give fewer groups.
    """
    probability = np.asarray(probability, np.float64)
    right = np.asarray(right, np.float64)
    rank = np.searchsorted(np.sort(probability), probability, side="left")
    group = rank * bins // max(len(probability), 1)
    size = np.bincount(group, minlength=bins)
    # The sums are computed in an order that does not depend on the order of the rows.
    order = np.lexsort((right, probability))
    sums = [np.bincount(group[order], v[order], minlength=bins) for v in (probability, right)]
    used = size > 0
    return Bins(size[used], sums[0][used] / size[used], sums[1][used] / size[used])


def expected_calibration_error(
    probability: npt.ArrayLike, right: npt.ArrayLike, bins: int = 15
) -> float:
    """Returns how far probabilities are from the share of right answers, 0 to 1.

    The mean over the groups of `reliability`, weighted by their size; 0 without answers.
    """
    found = reliability(probability, right, bins)
    if not len(found.size):
        return 0.0
    gaps = np.abs(found.probability - found.right)
    return float((found.size * gaps).sum() / found.size.sum())


@dataclass(frozen=True)
class RiskCoverage:
    """The share of wrong answers if only the k surest answers are given, for k = 1 to N."""

    coverage: Floats
    """k / N, shape (N,)."""
    risk: Floats
    """Share of wrong answers, shape (N,), 0 to 1."""
    area: float
    """The area under the curve (AURC): the mean risk. Lower is better; 0 without answers."""


def risk_coverage(confidence: npt.ArrayLike, right: npt.ArrayLike) -> RiskCoverage:
    """Returns the risk-coverage curve and the area under it.

    The order of answers with equal confidence is arbitrary, so each counts as their mean error.

    Args:
        confidence: Shape (N,). Only the order matters.
        right: Whether each answer is right, shape (N,).
    """
    confidence = np.asarray(confidence, np.float64)
    wrong = 1.0 - np.asarray(right, np.float64)
    if not len(confidence):
        return RiskCoverage(np.empty(0), np.empty(0), 0.0)
    tie = np.unique(confidence, return_inverse=True)[1]
    errors, sizes = np.bincount(tie, wrong), np.bincount(tie)
    # The highest confidence comes first.
    shared = np.repeat((errors / sizes)[::-1], sizes[::-1])
    given = np.arange(1, len(confidence) + 1)
    risk = np.cumsum(shared) / given
    return RiskCoverage(given / len(confidence), risk, float(risk.mean()))
