"""How sure a figure is: bootstrap intervals of a mean, and paired comparison of two contenders.

Questions about one paragraph are not independent, so paragraphs are drawn, not questions. All draws
are one matrix product. Percentages in, percentages out; nothing here knows models.

Source: Efron and Tibshirani 1993, chapters 8 and 13; Berg-Kirkpatrick et al. 2012 for the paired
test in language processing; Holm 1979 for the correction.

Legend: N questions, C clusters (paragraphs), R resamples.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

RESAMPLES = 2000
SEED = 13
SIGNIFICANT = 0.05


@dataclass(frozen=True)
class Comparison:
    """How far one contender is ahead of another on the same questions."""

    difference: float
    low: float
    high: float
    """Of the 95 % interval of the difference."""
    p: float
    """Two-sided: how often chance alone would give a difference like it. 1 for equal scores."""


def cluster_numbers(contexts: Sequence[str]) -> npt.NDArray[np.int64]:
    """The paragraph of each question, numbered; shape (N,).

    Where all questions share one context by design, each question is a cluster of its own: there
    is nothing else to draw.
    """
    numbers = np.unique(np.asarray(contexts, object), return_inverse=True)[1].astype(np.int64)
    return numbers if numbers.max(initial=0) > 0 else np.arange(len(numbers), dtype=np.int64)


def interval(
    values: npt.NDArray[Any], clusters: npt.NDArray[np.int64], level: float = 0.95
) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of `values`.

    Args:
        values: One per question, shape (N,).
        clusters: As `cluster_numbers` gives them, shape (N,).
        level: Share of resamples inside.
    """
    means_R = _resampled(values, clusters)
    low, high = np.quantile(means_R, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def compare(
    first: npt.NDArray[Any], second: npt.NDArray[Any], clusters: npt.NDArray[np.int64]
) -> Comparison:
    """Paired bootstrap: both contenders are judged on the same draws of paragraphs.

    Args:
        first: Scores of one contender, shape (N,).
        second: Of the other, in the same order.
        clusters: As `cluster_numbers` gives them.
    """
    gain = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    means_R = _resampled(gain, clusters)
    low, high = np.quantile(means_R, [0.025, 0.975])
    # One more on both sides: a p of exactly 0 would claim more than R draws can know.
    tail = min((means_R <= 0).sum(), (means_R >= 0).sum()) + 1
    p = min(1.0, 2.0 * float(tail) / (len(means_R) + 1))
    return Comparison(float(gain.mean()), float(low), float(high), p)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values of a family of comparisons, corrected by Holm's step-down method."""
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(np.argsort(p_values, kind="stable").tolist()):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected


def _resampled(
    values: npt.NDArray[Any], clusters: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Means over R draws of as many clusters as there are, with replacement."""
    sums = np.bincount(clusters, weights=np.asarray(values, np.float64))
    sizes = np.bincount(clusters)
    count = len(sizes)
    random = np.random.default_rng(SEED)
    # How often each cluster is in each draw, without a list of what was drawn.
    times_RC = random.multinomial(count, np.full(count, 1.0 / count), size=RESAMPLES)
    return np.asarray((times_RC @ sums) / (times_RC @ sizes))
