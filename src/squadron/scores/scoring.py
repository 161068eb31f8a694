"""The official scores of a predictions file against a SQuAD data file.

The layout of the files belongs to `official_layout`, what a score is to `metrics`.

A question without a prediction counts as wrong. That is the official v1.1 rule, used for v2.0 files
too because the official v2.0 evaluation ends in a KeyError there. Predictions for questions that
aren't in the data are ignored, as both official evaluations do. Both are logged as warnings.

NULL_ODDS.json is {question id: number}, higher where a question is more likely unanswerable; the
official evaluation's file of `na_prob`. With it, answers above 1.0 become "" (so probabilities
change nothing), and the best thresholds are searched. Every question needs a number.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from squadron.scores.metrics import score_answers, summarize
from squadron.scores.null_odds import align_null_odds, empty_by_null_odds, search_thresholds
from squadron.scores.official_layout import (
    check_null_odds,
    check_predictions,
    collect_questions,
    read_json_file,
    show_ids,
)

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Score:
    """The official figures of one set of predictions, and what was missing from it."""

    summary: dict[str, float]
    """Official result keys and figures, see `metrics.summarize`."""

    missing: int
    """Questions without a prediction; they count as wrong."""

    superfluous: int
    """Predictions without a question; they count for nothing."""


def score_files(
    data: Path, predictions: Path, null_odds: Path | None = None
) -> tuple[dict[str, float], int]:
    """Score an official predictions file against an official data file.

    Args:
        data: DATA.json, SQuAD v1.1 or v2.0 layout.
        predictions: PREDICTIONS.json, question id to answer text.
        null_odds: NULL_ODDS.json, question id to number.

    Returns:
        The official result and the number of questions without a prediction. A v2.0 file gives
        exact, f1, total, then the same three with HasAns_ and with NoAns_ when there are such
        questions. A v1.1 file gives exact (officially `exact_match`), f1 and total by the v1.1
        rule, and the same figures again with HasAns_, since all its questions have answers. Null
        odds add best_exact, best_exact_thresh, best_f1 and best_f1_thresh.

    Raises:
        InputError: A file can't be read, isn't JSON or hasn't the official layout.
    """
    score = score_parsed(
        read_json_file(data, "data file"),
        read_json_file(predictions, "predictions file"),
        None
        if null_odds is None
        else check_null_odds(read_json_file(null_odds, "null odds file"), str(null_odds)),
        data_name=str(data),
        predictions_name=str(predictions),
        null_odds_name=str(null_odds),
    )
    return score.summary, score.missing


def score_parsed(
    dataset: object,
    predictions: object,
    null_odds: dict[str, float] | None = None,
    *,
    data_name: str = "the data",
    predictions_name: str = "the predictions",
    null_odds_name: str = "the null odds",
    threshold: float = 1.0,
) -> Score:
    """Score parsed predictions JSON against parsed data JSON.

    Args:
        dataset: What DATA.json holds.
        predictions: What PREDICTIONS.json holds.
        null_odds: What NULL_ODDS.json holds; the best thresholds are searched with it.
        data_name: What errors and warnings call the data.
        predictions_name: What errors and warnings call the predictions.
        null_odds_name: What errors call the null odds.
        threshold: Answers with null odds above it become "".

    Returns:
        The official figures, and how many ids were missing and superfluous.

    Raises:
        InputError: Either side hasn't the official layout.
    """
    questions = collect_questions(dataset, data_name)
    answers = check_predictions(predictions, predictions_name)

    missing, superfluous = _compare_ids(questions.ids, answers, data_name, predictions_name)
    predicted = [answers.get(question_id) for question_id in questions.ids]
    exact, f1 = score_answers(questions.golds, predicted, questions.rule)
    has_answer = np.array([bool(golds) for golds in questions.golds])
    best: dict[str, float] = {}
    if null_odds is not None:
        odds = align_null_odds(null_odds, questions.ids, null_odds_name)
        best = search_thresholds(questions.ids, predicted, (exact, f1), has_answer, null_odds)
        # Taking back what is not there makes nothing right.
        odds[[text is None for text in predicted]] = -np.inf
        exact, f1 = (empty_by_null_odds(s, odds, has_answer, threshold) for s in (exact, f1))
    summary = summarize(exact, f1, has_answer) | best
    return Score(summary, missing, superfluous)


def _compare_ids(
    ids: Sequence[str], answers: Mapping[str, str], data_name: str, predictions_name: str
) -> tuple[int, int]:
    """Counts questions without a prediction and predictions without a question, and logs both."""
    missing = [question_id for question_id in ids if question_id not in answers]
    superfluous = answers.keys() - set(ids)
    if missing:
        _LOG.warning(
            "%d of %d questions of %s have no prediction in %s and count as wrong: %s",
            len(missing),
            len(ids),
            data_name,
            predictions_name,
            show_ids(missing),
        )
    if superfluous:
        _LOG.warning(
            "%d of %d predictions of %s belong to no question of %s and are ignored: %s",
            len(superfluous),
            len(answers),
            predictions_name,
            data_name,
            show_ids(question_id for question_id in answers if question_id in superfluous),
        )
    return len(missing), len(superfluous)
