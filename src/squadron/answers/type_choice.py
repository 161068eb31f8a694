"""Merges what a model says about a question's reasoning type in each of its windows."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from squadron.answers.merging import FindNumbers, number_rows
from squadron.data.question_types import TYPES


def merge_types(
    windows: Iterable[pa.Table], find_numbers: FindNumbers, count: int
) -> npt.NDArray[np.float64]:
    """Returns the probability of each type for each question, shape (E, C), 0 to 1.

    It is the geometric mean over the question's windows, scaled so that the types of a question sum
    to 1. Windows of one question are much alike, so their product would be too sure.

    Args:
        windows: Tables of schema `artifacts.WINDOW_TYPES`. Each question has a window.
        find_numbers: Finds the numbers of questions by their ids.
        count: E, the number of questions.
    """
    total_EC = np.zeros((count, len(TYPES)))
    windows_E = np.zeros(count, np.int64)
    for part in windows:
        example = number_rows(part["example_id"].combine_chunks(), find_numbers)
        flat = part["log_probabilities"].combine_chunks().flatten().to_numpy()
        np.add.at(total_EC, example, flat.astype(np.float64).reshape(-1, len(TYPES)))
        np.add.at(windows_E, example, 1)
    mean_EC = total_EC / np.maximum(windows_E, 1)[:, None]
    share_EC = np.exp(mean_EC - mean_EC.max(1, keepdims=True, initial=-np.inf))
    shares: npt.NDArray[np.float64] = share_EC / share_EC.sum(1, keepdims=True)
    return shares
