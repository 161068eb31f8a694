"""The interval of a mean, and which contenders differ by more than chance.

Questions about one paragraph are not independent, so the paragraph is the unit, not the question.
docs/decisions/significance.md has the measured error rates, coverage and power.

Sources: Canay, Romano and Shaikh 2017 for sign changes of few clusters; Westfall and Young 1993 for
the maximum over a family of comparisons; Korn and Graubard 1998 and Dean and Pagano 2015 for the
interval of a proportion from clusters.

Legend: N questions, C clusters (paragraphs or titles), K contenders, R sign patterns, B sign
patterns at a time.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

RESAMPLES = 10_000
"""The largest number of sign patterns. Near p = 0.05 the draws move p by about 0.002."""
CHUNK = 1 << 20
"""Signs that are drawn at a time, so that thousands of clusters need 10 MB of memory."""
SEED = 13
SIGNIFICANT = 0.05
LEVEL = 0.95
LEAST_CLUSTERS = 8
"""With fewer clusters nothing is compared. docs/decisions/significance.md has the reason."""
_TIE = 1e-9
"""Statistics that differ by less count as equal: the difference is rounding."""


@dataclass(frozen=True)
class Comparison:
    """The lead of one contender over another on the same questions."""

    difference: float
    low: float | None
    """Of the 95 % interval of the difference, which holds for all pairs of the race at once; None
    where there are fewer than `LEAST_CLUSTERS` clusters."""
    high: float | None
    p: float
    """Two-sided and corrected for all pairs of the race; 1 for equal scores or too few clusters."""


def cluster_numbers(contexts: Sequence[str]) -> npt.NDArray[np.int64]:
    """Numbers the paragraph of each question; shape (N,).

    Where all questions share one context by design, each question is a cluster of its own.
    """
    return separate_clusters(number_groups(contexts))


def separate_clusters(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Returns the numbers of paragraphs, or a number per question if there is one paragraph."""
    return numbers if numbers.max(initial=0) > 0 else np.arange(len(numbers), dtype=np.int64)


def number_groups(names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Numbers from 0 for names, the same for equal names; shape (N,)."""
    return np.unique(np.asarray(names, object), return_inverse=True)[1].astype(np.int64)


def interval(
    values: npt.NDArray[Any], clusters: npt.NDArray[np.int64], level: float = LEVEL
) -> tuple[float, float]:
    """The interval of a mean of percentages, by Wilson's method on the effective sample size.

    The effective sample size is the number of independent questions whose mean would vary as much
    as this mean varies between clusters. Student's t with C - 1 degrees of freedom makes up for
    few clusters. Where all values are 0, or all are 100, nothing tells how clusters vary, and each
    cluster counts as one question. The interval never has the width 0, and a single cluster gives
    0 to 100.

    Args:
        values: A value per question, 0 to 100, shape (N,).
        clusters: A number from 0 for each question, shape (N,).
        level: How often such intervals hold the mean.

    Returns:
        Low and high, 0 to 100.
    """
    from scipy.special import stdtrit

    share_N = np.asarray(values, np.float64) / 100
    sizes_C = np.bincount(clusters)
    residuals_C = np.bincount(clusters, share_N) - share_N.mean() * sizes_C
    count, total = int((sizes_C > 0).sum()), len(share_N)
    if count < 2:
        return 0.0, 100.0
    share = float(share_N.mean())
    variance = count / (count - 1) * float((residuals_C**2).sum()) / total**2
    # A mean is never surer than with independent questions, even if clusters happen to be alike.
    variance = max(variance, float(share_N.var()) / (total - 1))
    spread = share * (1 - share)
    size = spread / variance if spread > _TIE else float(count)
    quantile = float(stdtrit(count - 1, (1 + level) / 2)) ** 2 / size
    middle = share + quantile / 2
    half = math.sqrt(quantile * spread + quantile**2 / 4)
    low, high = ((middle + side * half) / (1 + quantile) for side in (-1, 1))
    return 100 * max(0.0, low), 100 * min(1.0, high)


def compare_all(
    scores: Sequence[npt.NDArray[Any]], winner: int, clusters: npt.NDArray[np.int64]
) -> list[Comparison]:
    """Compares the winner with each of the others, in their order.

    The winner was chosen by these same scores, so each comparison is corrected for all pairs of
    contenders and not only for those with the winner. Under the hypothesis that no pair differs,
    the sign of a cluster's differences is as likely to be the other one. The statistic of a pair is
    the sum of its differences over the root of the sum of their squares by cluster, and p is the
    share of sign patterns whose largest statistic over all pairs reaches it. All patterns are
    taken where there are at most `RESAMPLES`, else so many are drawn.

    Args:
        scores: Of each contender, 0 to 100, K arrays of shape (N,) in the same order of questions.
        winner: The place of the winner among them.
        clusters: As `cluster_numbers` gives them, shape (N,).
    """
    sizes_C = np.bincount(clusters).astype(np.float64)
    sums_CK = np.array([np.bincount(clusters, each) for each in scores], np.float64).T
    total = float(sizes_C.sum())
    others = [place for place in range(len(scores)) if place != winner]
    leads_CJ = sums_CK[:, [winner]] - sums_CK[:, others]
    differences = (leads_CJ.sum(axis=0) / total).tolist()
    if not others or (sizes_C > 0).sum() < LEAST_CLUSTERS:
        return [Comparison(difference, None, None, 1.0) for difference in differences]
    highest_R = np.sort(_highest(sums_CK))[::-1]
    # A statistic above this one has p < SIGNIFICANT, so intervals and p never contradict.
    critical = float(highest_R[math.ceil(SIGNIFICANT * len(highest_R)) - 1]) + _TIE
    found = []
    for place, difference in enumerate(differences):
        lead_C = leads_CJ[:, place]
        square = float((lead_C**2).sum())
        statistic = abs(float(lead_C.sum())) / math.sqrt(square) if square else 0.0
        p = float((highest_R >= statistic - _TIE).mean())
        low, high = _invert(lead_C, sizes_C, critical)
        gain_N = np.asarray(scores[winner], np.float64) - np.asarray(scores[others[place]])
        # As in `interval`: where all questions are alike, each cluster counts as one.
        half = critical * _least_error(gain_N if np.ptp(gain_N) else gain_N[: len(sizes_C)])
        low, high = _widen(low, high, difference - half, difference + half)
        found.append(Comparison(difference, low, high, p))
    return found


def _highest(sums_CK: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The largest statistic over all pairs of contenders, of each sign pattern; shape (R,)."""
    contenders = sums_CK.shape[1]
    pairs = [(i, j) for i in range(contenders) for j in range(i)]
    roots = [math.sqrt(float(((sums_CK[:, i] - sums_CK[:, j]) ** 2).sum())) for i, j in pairs]
    parts = []
    for signs_BC in _draw_signs(len(sums_CK)):
        signed_KB = np.ascontiguousarray((signs_BC @ sums_CK).T)
        highest_B = np.zeros(len(signs_BC))
        for (i, j), root in zip(pairs, roots, strict=True):
            if root:  # else the two never differ
                np.maximum(highest_B, np.abs(signed_KB[i] - signed_KB[j]) / root, out=highest_B)
        parts.append(highest_B)
    return np.concatenate(parts)


def _draw_signs(count: int) -> Iterator[npt.NDArray[np.float64]]:
    """Sign patterns of `count` clusters, 1 and -1, block by block of shape (B, C).

    Patterns that differ in every sign have the same statistics, so the last sign is always 1 where
    all patterns are taken. Of the drawn ones the first has no change of sign: it is what was
    observed, and it keeps p above 0.
    """
    everything = 2 ** (count - 1) if count < 60 else RESAMPLES + 1
    if everything <= RESAMPLES:
        numbers_R = np.arange(everything)
        negative_RC = (numbers_R[:, None] >> np.arange(count)) & 1
        yield np.where(negative_RC, np.float64(-1), np.float64(1))
        return
    random = np.random.default_rng(SEED)
    words = -(-count // 64)  # whole words in each row: the size of a block changes no draw
    step = max(1, CHUNK // count)
    for start in range(0, RESAMPLES, step):
        rows = min(step, RESAMPLES - start)
        drawn = random.integers(0, 2**64, (rows, words), np.uint64).astype("<u8").view(np.uint8)
        signs_BC = np.unpackbits(drawn, axis=1, count=count).astype(np.float64)
        signs_BC *= -2.0
        signs_BC += 1.0
        if not start:
            signs_BC[0] = 1.0
        yield signs_BC


def _invert(
    lead_C: npt.NDArray[np.float64], sizes_C: npt.NDArray[np.float64], critical: float
) -> tuple[float, float]:
    """The differences whose statistic is at most the critical value: an interval.

    Of the difference d the statistic is |sum(lead - d size)| / root(sum((lead - d size)^2)), so
    the ends solve a quadratic equation. Without two ends every difference is possible.
    """
    total, squares = float(sizes_C.sum()), critical**2
    a = total**2 - squares * float((sizes_C**2).sum())
    b = float(lead_C.sum()) * total - squares * float((lead_C * sizes_C).sum())
    c = float(lead_C.sum()) ** 2 - squares * float((lead_C**2).sum())
    if a <= _TIE * total**2:
        return -100.0, 100.0
    half = math.sqrt(max(0.0, b * b - a * c))
    return max(-100.0, (b - half) / a), min(100.0, (b + half) / a)


def _least_error(gain_N: npt.NDArray[np.float64]) -> float:
    """The standard error of a mean difference if all questions were independent.

    By Agresti and Min 2005: as if one of two further questions had gone to each contender, half a
    question each, and one to both or none. So it is above 0 where all questions are alike.
    """
    size = len(gain_N) + 2
    squares = float((gain_N**2).sum()) + 100.0**2
    return math.sqrt(squares - float(gain_N.sum()) ** 2 / size) / size


def _widen(low: float, high: float, wide_low: float, wide_high: float) -> tuple[float, float]:
    """The wider ends, but on the same side of 0 as before: p decides what excludes 0.

    Clusters that happen to be alike don't make a lead surer than independent questions would.
    """
    widest_low = max(-100.0, min(low, wide_low))
    widest_high = min(100.0, max(high, wide_high))
    return (
        max(widest_low, _TIE) if low > 0 else widest_low,
        min(widest_high, -_TIE) if high < 0 else widest_high,
    )
