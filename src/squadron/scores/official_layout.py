"""The layout of the official SQuAD files: data, predictions and null odds.

DATA.json is the official layout: {"data": [{"paragraphs": [{"qas": [{"id", "answers": [{"text"}],
"is_impossible"?}]}]}]}. Fields that scoring doesn't read (title, context, question, answer_start)
aren't checked. The file is v2.0 when any question has the key `is_impossible`, else v1.1. As in the
official v2.0 evaluation a question counts as answerable when `answers` isn't empty, whatever
`is_impossible` says.

PREDICTIONS.json is {question id: answer text}, with "" for "no answer".

NULL_ODDS.json is {question id: number}, higher where a question is more likely unanswerable.
"""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from squadron.errors import InputError
from squadron.scores.metrics import Rule

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


def read_json_file(path: Path, role: str) -> object:
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


def show_ids(ids: Iterable[str]) -> str:
    shown: list[str] = []
    for question_id in ids:
        if len(shown) == _SHOWN_IDS:
            return ", ".join(shown) + ", ..."
        shown.append(repr(question_id))
    return ", ".join(shown)
