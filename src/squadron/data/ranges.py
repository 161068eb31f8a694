"""Index arithmetic for many groups of different lengths that lie one after the other."""

from typing import Any

import numpy as np


def count_up(lengths: Any) -> Any:
    """Returns the place of each element within its group: [3, 1, 2] -> [0, 1, 2, 0, 0, 1]."""
    return np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)


def join_ranges(starts: Any, lengths: Any) -> Any:
    """Returns the numbers of all ranges in one array: range g is starts[g] to + lengths[g] - 1."""
    return np.repeat(starts, lengths) + count_up(lengths)
