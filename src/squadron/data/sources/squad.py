"""Reads SQuAD v1.1 and v2.0 JSON: {"data": [{"title", "paragraphs": [{"context", "qas": [...]}]}]}.

Source: Rajpurkar et al. 2016 (arXiv:1606.05250) and 2018 (arXiv:1806.03822).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from squadron.config.parsing import parse_json, shorten
from squadron.data.sources import HEAD_CHARS, Answer, Example
from squadron.data.sources._faults import Faults
from squadron.errors import InputError

SETTINGS = "data.source: squad"

T = TypeVar("T")


def read_examples(path: Path) -> Iterator[Example]:
    """Yields all questions of the file, in file order.

    Raises:
        InputError: If the file can't be read, is not JSON or is not in SQuAD layout. The message
            names the file and all kinds of faults, each with its first record and field.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(
            f"The data file {path} does not exist; check data -> train, train_only and test"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or an impossible file name
        raise InputError(f"The data file {str(path)!r} can't be read: {error}") from None
    try:
        content = parse_json(text)
    except ValueError as error:
        raise InputError(f"The data file {path} is not JSON: {error}") from None
    if not isinstance(content, dict) or not isinstance(content.get("data"), list):
        raise InputError(
            f"The data file {path} is not in SQuAD layout: "
            'an object with the list "data" is needed at the top'
        )
    faults = Faults(path, "SQuAD layout needs these fields, of these types")
    for a, article in enumerate(content["data"]):
        here = f"data[{a}]"
        if not _is_object(article, "title", here, faults):
            continue
        title = _get(article, "title", str, here, faults)
        for p, paragraph in enumerate(_get(article, "paragraphs", list, here, faults)):
            there = f"{here}.paragraphs[{p}]"
            if not _is_object(paragraph, "context", there, faults):
                continue
            context = _get(paragraph, "context", str, there, faults)
            for q, record in enumerate(_get(paragraph, "qas", list, there, faults)):
                where = f"{there}.qas[{q}]"
                if not _is_object(record, "answers", where, faults):
                    continue
                example = _read_question(record, title, context, where, faults)
                # After the first fault, the rest is read only to find more faults.
                if not faults.count:
                    example.where = f"{path}: {where}"
                    yield example
    faults.check()


def recognizes(path: Path) -> bool:
    """Says whether the beginning of a file looks like SQuAD."""
    with path.open(encoding="utf-8-sig", errors="ignore") as file:
        head = file.read(HEAD_CHARS)
    return head.lstrip().startswith("{") and '"data"' in head and '"paragraphs"' in head


def _read_question(
    record: dict[str, Any], title: str, context: str, where: str, faults: Faults
) -> Example:
    answers = []
    for n, answer in enumerate(_get(record, "answers", list, where, faults)):
        place = f"{where}.answers[{n}]"
        if _is_object(answer, "text", place, faults):
            text = _get(answer, "text", str, place, faults)
            answers.append(Answer(text, _get(answer, "answer_start", int, place, faults)))
    is_impossible = record.get("is_impossible", False)
    if not isinstance(is_impossible, bool):
        shown = f"{where}.is_impossible is {shorten(is_impossible)}; true or false is needed"
        faults.note("is_impossible", shown)
    reasoning_type = record.get("reasoning_type") or ""
    if not isinstance(reasoning_type, str):
        shown = f"{where}.reasoning_type is {shorten(reasoning_type)}; text is needed"
        faults.note("reasoning_type", shown)
    return Example(
        id=_get(record, "id", str, where, faults),
        title=title,
        question=_get(record, "question", str, where, faults),
        context=context,
        answers=answers,
        reasoning_type=reasoning_type,
        is_impossible=is_impossible,
    )


def _is_object(record: Any, name: str, where: str, faults: Faults) -> bool:
    """Says whether a record is an object; if not, notes a fault that names the field `name`."""
    if isinstance(record, dict):
        return True
    kind = type(record).__name__
    faults.note(f"{kind} with {name}", f"{where} is {kind}, not an object with {name!r}")
    return False


def _get(record: dict[str, Any], name: str, kind: type[T], where: str, faults: Faults) -> T:
    """Returns the field of that name, or notes a fault and returns an empty value."""
    if name not in record:
        faults.note(f"no {name}", f"{where} has no field {name!r}")
        return kind()
    value = record[name]
    if isinstance(value, kind) and not isinstance(value, bool):
        return value
    found = type(value).__name__
    faults.note(f"{name} {found}", f"{where}.{name} is {found}, {kind.__name__} is needed")
    return kind()
