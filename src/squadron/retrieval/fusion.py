"""Joins several rankings of the same things into one."""

from collections.abc import Sequence

RANK_CONSTANT = 5
"""Added to each rank; a higher one makes ranks more alike. 60 is usual (Cormack et al. 2009,
"Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods"). It was chosen
for many systems. For the two rankings here, a low one finds more (docs/decisions/retrieval.md)."""


def fuse_rankings(
    rankings: Sequence[Sequence[str]], constant: float = RANK_CONSTANT
) -> list[tuple[str, float]]:
    """Fuses rankings by their reciprocal ranks.

    The score of a thing is the sum of 1 / (constant + rank) over the rankings that hold it, with
    ranks from 1.

    Args:
        rankings: Names, best first; each name at most once per ranking.
        constant: At least 0. A higher one makes ranks more alike.

    Returns:
        Names with their scores, best first. Equal scores, which are frequent with two rankings,
        are in the order of the first ranking, then of the second, and so on.
    """
    scores: dict[str, float] = {}
    for ranking in rankings:
        for rank, name in enumerate(ranking, 1):
            scores[name] = scores.get(name, 0.0) + 1 / (constant + rank)
    # The sort is stable, and the dictionary holds the names of the first ranking first.
    return sorted(scores.items(), key=lambda item: -item[1])
