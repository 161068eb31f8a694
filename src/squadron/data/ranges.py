"""Numbers that count up within each of many groups."""

from typing import Any

import numpy as np


def count_up(counts: Any) -> Any:
    """[3, 1, 2] -> [0, 1, 2, 0, 0, 1]."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def join_ranges(starts: Any, lengths: Any) -> Any:
    """Indices start..start+length-1 of every row, one after the other."""
    return np.repeat(starts, lengths) + count_up(lengths)
