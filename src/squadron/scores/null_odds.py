"""The null odds of the official evaluation: answers taken back, and the best thresholds.

Source: official SQuAD v2.0 evaluation (Rajpurkar et al. 2018), its file of `na_prob`.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from squadron.errors import InputError
from squadron.scores.official_layout import show_ids


def empty_by_null_odds(
    scores: npt.NDArray[np.float64],
    null_odds: npt.NDArray[np.float64],
    has_answer: npt.NDArray[np.bool_],
    threshold: float = 1.0,
) -> npt.NDArray[np.float64]:
    """Scores once the answers to questions that look unanswerable are taken back.

    Args:
        scores: Of the answers as predicted (E,), 0 to 1.
        null_odds: Higher is more likely unanswerable (E,); any scale.
        has_answer: Whether each question has a gold answer (E,).
        threshold: Answers with null odds above it become "". The official evaluation uses 1.

    Returns:
        (E,), 0 to 1: 1 where an answer was rightly taken back, 0 where wrongly.
    """
    return np.where(null_odds > threshold, (~has_answer).astype(np.float64), scores)


def search_null_odds(
    scores: npt.NDArray[np.float64],
    null_odds: npt.NDArray[np.float64],
    has_answer: npt.NDArray[np.bool_],
    is_text: npt.NDArray[np.bool_],
) -> tuple[float, int]:
    """The best total that a threshold on the null odds reaches, as the official v2.0 search has it.

    Questions are answered one after the other, the surest first. An answered question adds its
    score if it has an answer; if it has none, a text (even one that normalises to nothing) costs
    what abstaining had earned. Two things are as in the official search: questions with equal odds
    are taken one by one in the given order, so a total between them counts though no threshold
    gives it; and of equally good places the first wins.

    Args:
        scores: Of the answers as predicted (E,), 0 to 1.
        null_odds: Higher is more likely unanswerable (E,).
        has_answer: Whether each question has a gold answer (E,).
        is_text: Whether the predicted answer is anything but "" (E,).

    Returns:
        The sum of scores at the best place, and the position of the last question answered there;
        -1 if it is best to answer nothing.
    """
    order = np.argsort(null_odds, kind="stable")
    gain = np.where(has_answer, scores, np.where(is_text, -1.0, 0.0))[order]
    totals = np.cumsum(np.concatenate([[float((~has_answer).sum())], gain]))
    best = int(np.argmax(totals))
    return float(totals[best]), int(order[best - 1]) if best else -1


def align_null_odds(
    null_odds: dict[str, float], ids: Sequence[str], name: str
) -> npt.NDArray[np.float64]:
    """The null odds of each question; the official evaluation ends in a KeyError without one."""
    missing = [question_id for question_id in ids if question_id not in null_odds]
    if missing:
        raise InputError(
            f"{name}: {len(missing)} of {len(ids)} questions have no null odds: "
            f"{show_ids(missing)}; give a number for every question."
        )
    return np.array([null_odds[question_id] for question_id in ids], np.float64)


def search_thresholds(
    ids: Sequence[str],
    predicted: Sequence[str | None],
    scores: tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]],
    has_answer: npt.NDArray[np.bool_],
    null_odds: dict[str, float],
) -> dict[str, float]:
    """best_exact, best_exact_thresh, best_f1, best_f1_thresh; shares 0 to 100.

    A question without a prediction stays wrong at any threshold.
    """
    place = {question_id: number for number, question_id in enumerate(ids)}
    # The order of the null odds file decides between equal odds.
    order = [question_id for question_id in null_odds if question_id in place]
    order = [question_id for question_id in order if predicted[place[question_id]] is not None]
    rows = np.array([place[question_id] for question_id in order], np.int64)
    odds = np.array([null_odds[question_id] for question_id in order], np.float64)
    is_text = np.array([bool(text) for text in predicted], bool)[rows]
    found: dict[str, float] = {}
    for name, each in zip(("exact", "f1"), scores, strict=True):
        total, last = search_null_odds(each[rows], odds, has_answer[rows], is_text)
        found[f"best_{name}"] = 100.0 * total / len(ids)
        found[f"best_{name}_thresh"] = null_odds[order[last]] if last >= 0 else 0.0
    return found
