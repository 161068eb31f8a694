"""How well a model tells the reasoning types of questions."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from squadron.data.question_types import TYPES, score_types


def choose_types(windows: pa.Table, example_ids: Sequence[str]) -> list[str]:
    """The type of each question: the most likely one over all its windows.

    Args:
        windows: Of schema `artifacts.WINDOW_TYPES`.
        example_ids: The questions, each with a window, in the order of the result.
    """
    example = pc.index_in(windows["example_id"], value_set=pa.array(example_ids, pa.string()))
    flat = windows["log_probabilities"].combine_chunks().flatten().to_numpy()
    log_NC = flat.astype(np.float64).reshape(windows.num_rows, len(TYPES))
    total_EC = np.zeros((len(example_ids), log_NC.shape[1]))
    np.add.at(total_EC, example.to_numpy(), log_NC)
    return [TYPES[place] for place in total_EC.argmax(1)]


def judge_types(
    predicted: Sequence[str], examples: pa.Table
) -> tuple[dict[str, float], dict[str, float]]:
    """Figures on types: against labels of the data, and apart from them against the rules'.

    Args:
        predicted: A type per question.
        examples: Of schema `artifacts.EXAMPLES`, in the same order.

    Returns:
        The figures of question_types.score_types on questions that the data label, and on those
        that only rules label.
    """
    wanted, sources = examples["reasoning_type"].to_pylist(), examples["label_source"].to_pylist()

    def judge_source(source: str) -> dict[str, float]:
        rows = [number for number, each in enumerate(sources) if each == source]
        return score_types([predicted[n] for n in rows], [wanted[n] for n in rows])

    return judge_source("data"), judge_source("rules")
