"""How well a model tells the reasoning types of questions."""

import sys
from collections.abc import Iterable, Sequence

import pyarrow as pa

from squadron.answers.merging import FindNumbers
from squadron.answers.type_choice import merge_types
from squadron.data.question_types import TYPES, score_types


def choose_types(windows: Iterable[pa.Table], find_numbers: FindNumbers, count: int) -> list[str]:
    """Returns the type of each question: the most likely one over all its windows.

    Args:
        windows: As for `type_choice.merge_types`.
        find_numbers: Finds the numbers of questions by their ids.
        count: The number of questions.
    """
    return [TYPES[place] for place in merge_types(windows, find_numbers, count).argmax(1)]


def judge_types(
    predicted: Sequence[str], examples: Iterable[pa.Table]
) -> tuple[dict[str, float], dict[str, float]]:
    """Returns figures on types: against labels of the data, and separately against the rules.

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
