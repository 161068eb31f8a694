"""How sure a figure is: bootstrap intervals of a mean, and paired comparison of two contenders.

Questions about one paragraph are not independent, so paragraphs are drawn, not questions. All draws
are one matrix product. Percentages in, percentages out; nothing here knows models.

Source: Efron and Tibshirani 1993, chapters 8 and 13; Berg-Kirkpatrick et al. 2012 for the paired
test in language processing; Holm 1979 for the correction.

Legend: N questions, C clusters (paragraphs), R resamples, G groups of questions, K scores of each
question, B resamples at a time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

RESAMPLES = 2000
SEED = 13
SIGNIFICANT = 0.05
_AT_A_TIME = 250
"""Resamples held in memory at once."""


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
    low, high = np.quantile(_resampled(values, clusters), _tails(level))
    return float(low), float(high)


def intervals_of_groups(
    values: npt.NDArray[Any],
    clusters: npt.NDArray[np.int64],
    groups: Sequence[npt.NDArray[np.int64]],
    level: float = 0.95,
) -> npt.NDArray[np.float64]:
    """Percentile bootstrap intervals of the means of many groups of questions, on the same draws.

    Paragraphs of the whole set are drawn, as `interval` does, so a group of all questions gets
    what that gives. A draw without any question of a group says nothing about it and is left out.

    Args:
        values: K scores per question, shape (N, K).
        clusters: As `cluster_numbers` gives them, shape (N,).
        groups: Positions of the questions of each of G groups, none empty; they may overlap.
        level: Share of resamples inside.

    Returns:
        Low and high, shape (G, K, 2).
    """
    count = int(clusters.max()) + 1
    scores_NK = np.asarray(values, np.float64)
    parts = []
    for rows in groups:
        own, places = np.unique(clusters[rows], return_inverse=True)
        sums = [np.bincount(places, scores_NK[rows, k]) for k in range(scores_NK.shape[1])]
        parts.append((own, np.stack([np.bincount(places).astype(np.float64), *sums], axis=1)))
    # Groups of many clusters share one product, groups of few (one title) take only their own.
    wide = [g for g, (own, _) in enumerate(parts) if 4 * len(own) > count]
    sums_CWJ = np.zeros((count, len(wide), 1 + scores_NK.shape[1]))
    for place, g in enumerate(wide):
        sums_CWJ[parts[g][0], place] = parts[g][1]
    narrow = sorted(set(range(len(parts))) - set(wide))
    drawn_RGJ = np.empty((RESAMPLES, len(parts), 1 + scores_NK.shape[1]))
    start = 0
    for times_BC in _draw_clusters(count):
        drawn_BGJ = drawn_RGJ[start : start + len(times_BC)]
        drawn_BGJ[:, wide] = np.tensordot(times_BC, sums_CWJ, 1)
        for g in narrow:
            drawn_BGJ[:, g] = times_BC[:, parts[g][0]] @ parts[g][1]
        start += len(times_BC)
    found = np.empty((len(parts), scores_NK.shape[1], 2))
    for g in range(len(parts)):
        has = drawn_RGJ[:, g, 0] > 0
        means_RK = drawn_RGJ[has, g, 1:] / drawn_RGJ[has, g, :1]
        found[g] = np.quantile(means_RK, _tails(level), axis=0).T
    return found


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
    sizes = np.bincount(clusters).astype(np.float64)
    blocks = _draw_clusters(len(sizes))
    return np.concatenate([(times_BC @ sums) / (times_BC @ sizes) for times_BC in blocks])


def _draw_clusters(count: int) -> Iterator[npt.NDArray[np.float64]]:
    """How often each of `count` clusters is in each of R draws, block by block of shape (B, C)."""
    random = np.random.default_rng(SEED)
    for start in range(0, RESAMPLES, _AT_A_TIME):
        size = min(_AT_A_TIME, RESAMPLES - start)
        # Not a list of what was drawn; and floats, else each product would convert them anew.
        yield random.multinomial(count, np.full(count, 1.0 / count), size=size).astype(np.float64)


def _tails(level: float) -> list[float]:
    return [(1 - level) / 2, (1 + level) / 2]
