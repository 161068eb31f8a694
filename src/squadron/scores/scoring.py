"""The official scores of a predictions file against a SQuAD data file.

Owns the layout of both files and the choice of the rule. What a score is belongs to `metrics`.

DATA.json is the official layout: {"data": [{"paragraphs": [{"qas": [{"id", "answers": [{"text"}],
"is_impossible"?}]}]}]}. Fields that scoring doesn't read (title, context, question, answer_start)
aren't checked. The file is v2.0 when any question has the key `is_impossible`, else v1.1. As in the
official v2.0 evaluation a question counts as answerable when `answers` isn't empty, whatever
`is_impossible` says.

PREDICTIONS.json is {question id: answer text}, with "" for "no answer".

A question without a prediction counts as wrong. That is the official v1.1 rule, used for v2.0 files
too because the official v2.0 evaluation ends in a KeyError there. Predictions for questions that
aren't in the data are ignored, as both official evaluations do. Both are logged as warnings.

NULL_ODDS.json is {question id: number}, higher where a question is more likely unanswerable; the
official evaluation's file of `na_prob`. With it, answers above 1.0 become "" (so probabilities
change nothing), and the best thresholds are searched. Every question needs a number.
"""

import json
import logging
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from squadron.errors import InputError
from squadron.scores.metrics import (
    Rule,
    empty_by_null_odds,
    score_answers,
    search_null_odds,
    summarize,
)

_LOG = logging.getLogger(__name__)

_JSON_TYPES = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "a list",
    dict: "an object",
}
_SHOWN_IDS = 3
_MOST = sys.float_info.max


@dataclass(frozen=True)
class Questions:
    """The gold side of a data file, one entry per question in the order of the file."""

    ids: list[str]
    """Question ids, unique."""

    golds: list[list[str]]
    """Gold answers as they are written; empty for an unanswerable question."""

    rule: Rule
    """Which official evaluation the file calls for."""


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
        _read_json(data, "data file"),
        _read_json(predictions, "predictions file"),
        None
        if null_odds is None
        else check_null_odds(_read_json(null_odds, "null odds file"), str(null_odds)),
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

    missing = [question_id for question_id in questions.ids if question_id not in answers]
    superfluous = answers.keys() - set(questions.ids)
    if missing:
        _LOG.warning(
            "%d of %d questions of %s have no prediction in %s and count as wrong: %s",
            len(missing),
            len(questions.ids),
            data_name,
            predictions_name,
            _show_ids(missing),
        )
    if superfluous:
        _LOG.warning(
            "%d of %d predictions of %s belong to no question of %s and are ignored: %s",
            len(superfluous),
            len(answers),
            predictions_name,
            data_name,
            _show_ids(question_id for question_id in answers if question_id in superfluous),
        )

    predicted = [answers.get(question_id) for question_id in questions.ids]
    exact, f1 = score_answers(questions.golds, predicted, questions.rule)
    has_answer = np.array([bool(golds) for golds in questions.golds])
    best: dict[str, float] = {}
    if null_odds is not None:
        odds = _align_null_odds(null_odds, questions.ids, null_odds_name)
        best = _search_thresholds(questions.ids, predicted, (exact, f1), has_answer, null_odds)
        # Taking back what is not there makes nothing right.
        odds[[text is None for text in predicted]] = -np.inf
        exact, f1 = (empty_by_null_odds(s, odds, has_answer, threshold) for s in (exact, f1))
    summary = summarize(exact, f1, has_answer) | best
    return Score(summary, len(missing), len(superfluous))


def collect_questions(dataset: object, name: str = "the data") -> Questions:
    """Flatten the parsed JSON of a data file into its questions.

    Args:
        dataset: What DATA.json holds.
        name: What errors call the data.

    Returns:
        Ids and gold answers in the order of the file, and the rule that the file calls for.

    Raises:
        InputError: The layout isn't SQuAD v1.1 or v2.0, an id occurs twice, there is no question,
            or a question of a v1.1 file has no answers.
    """
    golds_by_id: dict[str, list[str]] = {}
    is_v2 = False
    without_answers: tuple[str, str] | None = None
    for a, article in enumerate(_take_list(dataset, "data", name, "")):
        for p, paragraph in enumerate(_take_list(article, "paragraphs", name, f"data[{a}]")):
            paragraph_place = f"data[{a}].paragraphs[{p}]"
            for q, question in enumerate(_take_list(paragraph, "qas", name, paragraph_place)):
                place = f"{paragraph_place}.qas[{q}]"
                golds = _take_golds(question, name, place)
                assert isinstance(question, dict)  # else it had no list of answers
                question_id = question.get("id")
                if not isinstance(question_id, str):
                    raise _layout_error(question, "id", "a string", name, place)
                if question_id in golds_by_id:
                    raise InputError(
                        f"{name}: {place}.id is {question_id!r}, which an earlier question has "
                        "already; give every question its own id."
                    )
                golds_by_id[question_id] = golds
                is_v2 = is_v2 or "is_impossible" in question
                if not golds and without_answers is None:
                    without_answers = (place, question_id)
    if not golds_by_id:
        raise InputError(f"{name} has no questions; give a SQuAD file with at least one question.")
    if without_answers and not is_v2:
        place, question_id = without_answers
        raise InputError(
            f"{name}: {place}.answers is empty (question {question_id!r}), but no question has the "
            "key is_impossible, so the file is SQuAD v1.1, where each question needs an answer; "
            'add "is_impossible" to the questions to make it v2.0.'
        )
    return Questions(list(golds_by_id), list(golds_by_id.values()), "v2" if is_v2 else "v1.1")


def check_predictions(predictions: object, name: str = "the predictions") -> dict[str, str]:
    """Check that the parsed JSON of a predictions file maps question ids to answer texts.

    Args:
        predictions: What PREDICTIONS.json holds.
        name: What errors call the predictions.

    Returns:
        The predictions, unchanged.

    Raises:
        InputError: It isn't an object, or an answer isn't a string.
    """
    if not isinstance(predictions, dict):
        raise InputError(
            f"{name} holds {_describe(predictions)}; it must be one JSON object that maps question "
            "ids to answer texts."
        )
    for question_id, text in predictions.items():
        if not isinstance(text, str):
            raise InputError(
                f"{name}: the prediction for question {question_id!r} is {_describe(text)}; it "
                'must be a string, "" for "no answer".'
            )
    return predictions


def check_null_odds(null_odds: object, name: str = "the null odds") -> dict[str, float]:
    """Check that the parsed JSON of a null odds file maps question ids to numbers.

    Args:
        null_odds: What NULL_ODDS.json holds.
        name: What errors call the null odds.

    Returns:
        The null odds, unchanged.

    Raises:
        InputError: It isn't an object, or a value isn't a number with a place in an order.
    """
    if not isinstance(null_odds, dict):
        raise InputError(
            f"{name} holds {_describe(null_odds)}; it must be one JSON object that maps question "
            "ids to numbers."
        )
    for question_id, value in null_odds.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or value != value or abs(value) > _MOST:
            raise InputError(
                f"{name}: the null odds of question {question_id!r} are {_describe(value)}; they "
                "must be a finite number, higher where the question is more likely unanswerable."
            )
    return null_odds


def _align_null_odds(
    null_odds: dict[str, float], ids: Sequence[str], name: str
) -> npt.NDArray[np.float64]:
    """The null odds of each question; the official evaluation ends in a KeyError without one."""
    missing = [question_id for question_id in ids if question_id not in null_odds]
    if missing:
        raise InputError(
            f"{name}: {len(missing)} of {len(ids)} questions have no null odds: "
            f"{_show_ids(missing)}; give a number for every question."
        )
    return np.array([null_odds[question_id] for question_id in ids], np.float64)


def _search_thresholds(
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


def _read_json(path: Path, role: str) -> object:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(
            f"The {role} {path} doesn't exist; give the path of a JSON file."
        ) from None
    except OSError as error:
        raise InputError(
            f"The {role} {path} can't be read ({error.strerror}); give a readable JSON file."
        ) from error
    try:
        parsed: object = json.loads(content)
    except json.JSONDecodeError as error:
        raise InputError(
            f"The {role} {path} isn't JSON ({error.msg}, line {error.lineno}, column "
            f"{error.colno}); give one JSON document in UTF-8."
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"The {role} {path} isn't readable JSON ({error}); give one JSON document in UTF-8."
        ) from error
    return parsed


def _take_golds(question: object, name: str, place: str) -> list[str]:
    golds = []
    for n, answer in enumerate(_take_list(question, "answers", name, place)):
        text = answer.get("text") if isinstance(answer, dict) else None
        if not isinstance(text, str):
            raise _layout_error(answer, "text", "a string", name, f"{place}.answers[{n}]")
        golds.append(text)
    return golds


def _take_list(record: object, field: str, name: str, place: str) -> list[object]:
    value = record.get(field) if isinstance(record, dict) else None
    if not isinstance(value, list):
        raise _layout_error(record, field, "a list", name, place)
    return value


def _layout_error(record: object, field: str, allowed: str, name: str, place: str) -> InputError:
    """Say what is wrong: the record is no object, or its field is missing or of another type."""
    remedy = "give a file in SQuAD v1.1 or v2.0 layout."
    if not isinstance(record, dict):
        where = place or "the top level"
        return InputError(
            f"{name}: {where} is {_describe(record)}; it must be an object with the field "
            f"{field!r}, {remedy}"
        )
    full_field = f"{place}.{field}" if place else field
    found = _describe(record[field]) if field in record else "missing"
    return InputError(f"{name}: {full_field} is {found}; it must be {allowed}, {remedy}")


def _describe(value: object) -> str:
    """Name the JSON type of a value, with the value where it is short."""
    kind = _JSON_TYPES.get(type(value), type(value).__name__)
    if isinstance(value, bool | int | float | str):
        shown = repr(value)
        return f"{kind}, {shown if len(shown) <= 40 else shown[:37] + '...'}"
    return kind


def _show_ids(ids: Iterable[str]) -> str:
    shown: list[str] = []
    for question_id in ids:
        if len(shown) == _SHOWN_IDS:
            return ", ".join(shown) + ", ..."
        shown.append(repr(question_id))
    return ", ".join(shown)
