"""Draws the windows without an answer that training sees."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from squadron.data.ranges import count_up
from squadron.data.window_table import NULL_TOKEN, Longs, WindowTable


def limit_negatives(windows: WindowTable, limit: int, seed: int) -> WindowTable:
    """Keeps all windows with an answer and, for each example, at most `limit` without one.

    Args:
        windows: Some or all windows of a table.
        limit: Windows without an answer per example; 0 keeps all.
        seed: The same seed draws the same windows.

    Returns:
        The windows that are kept, in their order; `windows` itself if nothing is dropped.
    """
    if not limit:
        return windows
    random = np.random.default_rng(seed)
    kept, place = [np.zeros(0, np.int64)], 0
    # The windows of an example may lie in two chunks. Its lowest draws of both are kept.
    drawn = _Drawn.empty()
    for chunk in windows.chunks():
        negative = np.flatnonzero(chunk.cut.start_token_N == NULL_TOKEN)
        positive = np.flatnonzero(chunk.cut.start_token_N != NULL_TOKEN)
        new = _Drawn(chunk.cut.example_N[negative], random.random(len(negative)), negative + place)
        drawn = drawn.joined(new)
        is_open = drawn.example == chunk.cut.example_N[-1]
        lowest = drawn.lowest(limit)
        kept += [positive + place, lowest.place[lowest.example != chunk.cut.example_N[-1]]]
        drawn = drawn.where(is_open).lowest(limit)
        place += len(chunk)
    places = np.sort(np.concatenate([*kept, drawn.place]))
    return windows if len(places) == len(windows) else windows.take(places)


@dataclass(frozen=True)
class _Drawn:
    """Windows without an answer, each with a random number."""

    example: Longs
    number: npt.NDArray[np.float64]
    place: Longs

    @classmethod
    def empty(cls) -> "_Drawn":
        return cls(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))

    def joined(self, other: "_Drawn") -> "_Drawn":
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return _Drawn(*(np.concatenate(pair) for pair in pairs))

    def where(self, chosen: Any) -> "_Drawn":
        return _Drawn(*(column[chosen] for column in vars(self).values()))

    def lowest(self, limit: int) -> "_Drawn":
        """Returns the windows with the `limit` lowest numbers of each example."""
        if not len(self.example):
            return self
        order = np.lexsort((self.number, self.example))
        rank = count_up(np.unique(self.example, return_counts=True)[1])
        return self.where(order[rank < limit])
