"""How sure a figure is: bootstrap intervals of a mean, and paired comparison of two contenders.

Questions about one paragraph are not independent, so paragraphs are drawn, not questions. All that
is judged on the same questions shares the same draws. Percentages in, percentages out; nothing here
knows models.

Source: Efron and Tibshirani 1993, chapters 8 and 13; Berg-Kirkpatrick et al. 2012 for the paired
test in language processing; Holm 1979 for the correction.

Legend: N questions, C clusters (paragraphs), R resamples, G groups of questions, K columns of
values (one per contender or figure), B resamples at a time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

RESAMPLES = 10_000
"""The smallest p is 2 / (R + 1). Holm multiplies the smallest of N pairs by N, so nothing could be
told apart at 5 % unless R + 1 > 40 N: 1,000 draws do for 25 pairs, these for 250. That is the
least: with 8 pairs the smallest p must be below 0.00625, and one tail of it is 31 of these draws
(give or take 18 %), but 3 of 1,000 (give or take 57 %)."""
CHUNK = 1 << 16
"""Paragraphs drawn at a time: their counts stay in the processor's cache (2 MB in all)."""
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
    return intervals([values], clusters, level)[0]


def intervals(
    columns: Sequence[npt.NDArray[Any]], clusters: npt.NDArray[np.int64], level: float = 0.95
) -> list[tuple[float, float]]:
    """As `interval`, of each of several columns of values; one draw serves all."""
    return [_quantiles(means_R, _tails(level)) for means_R in _resampled(columns, clusters)]


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
    return compare_all(first, [second], clusters)[0]


def compare_all(
    first: npt.NDArray[Any],
    others: Sequence[npt.NDArray[Any]],
    clusters: npt.NDArray[np.int64],
) -> list[Comparison]:
    """As `compare`, of one contender with each of the others; one draw serves all pairs."""
    gains = [np.asarray(first, np.float64) - np.asarray(other, np.float64) for other in others]
    found = []
    for gain, means_R in zip(gains, _resampled(gains, clusters), strict=True):
        low, high = _quantiles(means_R, _tails(0.95))
        # One more on both sides: a p of exactly 0 would claim more than R draws can know.
        tail = min((means_R <= 0).sum(), (means_R >= 0).sum()) + 1
        p = min(1.0, 2.0 * float(tail) / (len(means_R) + 1))
        found.append(Comparison(float(gain.mean()), low, high, p))
    return found


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values of a family of comparisons, corrected by Holm's step-down method."""
    corrected = [0.0] * len(p_values)
    highest = 0.0
    for rank, place in enumerate(np.argsort(p_values, kind="stable").tolist()):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        corrected[place] = highest
    return corrected


def _quantiles(means_R: npt.NDArray[np.float64], edges: list[float]) -> tuple[float, float]:
    low, high = np.quantile(means_R, edges)
    return float(low), float(high)


def _resampled(
    columns: Sequence[npt.NDArray[Any]], clusters: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Means of each column over R draws of as many clusters as there are, with replacement.

    Returns:
        Shape (K, R), the same draws in each row.
    """
    sums = [np.bincount(clusters, weights=np.asarray(values, np.float64)) for values in columns]
    sizes_C = np.bincount(clusters)
    totals_CK = np.stack([*sums, sizes_C.astype(np.float64)], axis=1)
    drawn_RK = np.concatenate([times_BC @ totals_CK for times_BC in _draw_clusters(len(sizes_C))])
    return np.asarray(drawn_RK[:, :-1] / drawn_RK[:, -1:]).T


def _draw_clusters(count: int) -> Iterator[npt.NDArray[np.float64]]:
    """How often each of `count` clusters is in each of R draws, block by block of shape (B, C)."""
    random = np.random.default_rng(SEED)
    step = max(1, CHUNK // count)
    for start in range(0, RESAMPLES, step):
        rows = min(step, RESAMPLES - start)
        drawn_BC = random.integers(0, count, (rows, count), np.int32)
        drawn_BC += np.arange(rows, dtype=np.int32)[:, None] * count
        # Generator.multinomial gives such counts in one call, at 10 times the price.
        times = np.bincount(drawn_BC.ravel(), minlength=rows * count)
        yield times.reshape(rows, count).astype(np.float64)


def _tails(level: float) -> list[float]:
    return [(1 - level) / 2, (1 + level) / 2]
