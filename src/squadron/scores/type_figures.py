"""How well a model tells the reasoning types of questions."""

import sys
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from squadron.answers.merging import FindNumbers, number_rows
from squadron.data.question_types import TYPES, score_types


def choose_types(windows: Iterable[pa.Table], find_numbers: FindNumbers, count: int) -> list[str]:
    """The type of each question: the most likely one over all its windows.

    Args:
        windows: Tables of schema `artifacts.WINDOW_TYPES`. Each question has a window.
        find_numbers: Of questions by their ids.
        count: The number of questions.
    """
    total_EC = np.zeros((count, len(TYPES)))
    for part in windows:
        example = number_rows(part["example_id"].combine_chunks(), find_numbers)
        flat = part["log_probabilities"].combine_chunks().flatten().to_numpy()
        np.add.at(total_EC, example, flat.astype(np.float64).reshape(-1, len(TYPES)))
    return [TYPES[place] for place in total_EC.argmax(1)]


def judge_types(
    predicted: Sequence[str], examples: Iterable[pa.Table]
) -> tuple[dict[str, float], dict[str, float]]:
    """Figures on types: against labels of the data, and apart from them against the rules'.

    Args:
        predicted: A type per question.
        examples: Tables of schema `artifacts.EXAMPLES`, together in the same order.

    Returns:
        The figures of question_types.score_types on questions that the data label, and on those
        that only rules label.
    """
    pairs: dict[str, tuple[list[str], list[str]]] = {"data": ([], []), "rules": ([], [])}
    number = 0
    for part in examples:
        columns = (part[name].to_pylist() for name in ("reasoning_type", "label_source"))
        for wanted, source in zip(*columns, strict=True):
            if source in pairs:
                pairs[source][0].append(predicted[number])
                # One text for all questions of a type needs less memory than one for each.
                pairs[source][1].append(sys.intern(wanted))
            number += 1
    return score_types(*pairs["data"]), score_types(*pairs["rules"])
