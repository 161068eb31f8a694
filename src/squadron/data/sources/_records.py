"""Turns records of the flat layout into examples, wherever the records come from."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from squadron.config import digest
from squadron.data.sources import Answer, Example
from squadron.data.sources._faults import Faults
from squadron.data.sources._fields import (
    check_type,
    get_answers,
    get_field,
    get_is_impossible,
    get_reasoning_type,
    is_object,
)
from squadron.errors import InputError

REMEDY = "the flat layout needs these fields, of these types"
FIELDS = ("id", "title", "context", "question", "answers", "is_impossible", "reasoning_type")
"""The fields that are read; the others of a record are ignored."""
BATCH_ROWS = 1024
"""The most rows of a table that are in memory as records."""


def read_records(path: Path, records: Iterator[tuple[str, Any]]) -> Iterator[Example]:
    """Yields one example per record, in order.

    Args:
        path: What the records come from, for messages.
        records: (place in the file, record).

    Raises:
        InputError: If there are no records, a record lacks a field, or no record has an answer or
            says that there is none.
    """
    faults = Faults(path, REMEDY)
    contexts: dict[str, str] = {}
    count = labelled = 0
    for where, record in records:
        count += 1
        if not is_object(record, "question", where, faults):
            continue
        example = _read_record(record, where, faults)
        labelled += bool(example.answers) or record.get("is_impossible") is not None
        if not faults.count:
            example.where = f"{path}: {where}"
            # The same context is in memory once, however many records repeat it.
            example.context = contexts.setdefault(example.context, example.context)
            yield example
    faults.check()
    check_labelled(path, count, labelled > 0)


def check_labelled(path: Path, count: int, is_labelled: bool) -> None:
    """Refuses a file without labels, all questions of which would count as unanswerable.

    Args:
        path: The file, for the message.
        count: The number of its records.
        is_labelled: Whether any of them has an answer or says that there is none.

    Raises:
        InputError: If there are no records or no labels.
    """
    if not is_labelled:
        what = "no question has an answer" if count else "it has no records"
        raise InputError(
            f"The data file {path} can't be used: {what}; give records with answers, or with "
            "is_impossible: true if they have none"
        )


def make_id(question: str, context: str) -> str:
    """Returns an id for a question without one, which stays the same wherever it stands."""
    return _digest(question, context)


def make_title(context: str) -> str:
    """Returns a title for a context without one, so that its questions stay in one split."""
    return f"context {_digest(context)}"


def first_line(error: BaseException) -> str:
    """Returns the message of an error as a sentence can quote it."""
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


def _read_record(record: dict[str, Any], where: str, faults: Faults) -> Example:
    # A column of a table is null where a record has no such field.
    optional = ("id", "title", "is_impossible")
    given = {k: v for k, v in record.items() if not (v is None and k in optional)}
    context = get_field(given, "context", str, where, faults)
    question = get_field(given, "question", str, where, faults)
    answers = _read_answers(given, where, faults)
    return Example(
        id=_read_id(given, where, faults) if "id" in given else make_id(question, context),
        title=_read_title(given, where, faults) or make_title(context),
        question=question,
        context=context,
        answers=answers,
        reasoning_type=get_reasoning_type(given, where, faults),
        is_impossible=(
            get_is_impossible(given, where, faults) if "is_impossible" in given else not answers
        ),
    )


def _digest(*texts: str) -> str:
    """Returns a digest also of texts with half a surrogate pair, which validation rejects."""
    return digest(*(text.encode(errors="backslashreplace").decode() for text in texts))


def _read_id(record: dict[str, Any], where: str, faults: Faults) -> str:
    number = record["id"]
    # Python refuses to print whole numbers of more than 4,300 digits.
    if isinstance(number, int) and not isinstance(number, bool) and number.bit_length() <= 128:
        return str(number)
    return get_field(record, "id", str, where, faults)


def _read_title(record: dict[str, Any], where: str, faults: Faults) -> str:
    return get_field(record, "title", str, where, faults) if "title" in record else ""


def _read_answers(record: dict[str, Any], where: str, faults: Faults) -> list[Answer]:
    """Reads {"text": [...], "answer_start": [...]}, or a list of {"text", "answer_start"}."""
    given = record.get("answers")
    if given is None and record.get("is_impossible") is True:
        return []
    if not isinstance(given, dict):
        return get_answers(record, where, faults)
    place = f"{where}.answers"
    texts = get_field(given, "text", list, place, faults)
    starts = get_field(given, "answer_start", list, place, faults)
    if len(texts) != len(starts):
        shown = f"{place} has {len(texts)} texts and {len(starts)} starts"
        faults.note("as many texts as starts", shown)
        return []
    return [
        Answer(
            check_type(text, "text", str, f"{place}.text[{n}]", faults),
            check_type(start, "answer_start", int, f"{place}.answer_start[{n}]", faults),
        )
        for n, (text, start) in enumerate(zip(texts, starts, strict=True))
    ]
