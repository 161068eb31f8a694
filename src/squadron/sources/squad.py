"""SQuAD v1.1 and v2.0 JSON: {"data": [{"title", "paragraphs": [{"context", "qas": [...]}]}]}.

Source: Rajpurkar et al. 2016 (arXiv:1606.05250) and 2018 (arXiv:1806.03822).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from squadron.errors import InputError
from squadron.parsing import parse_json, shorten
from squadron.sources import Answer, Example


def read_examples(path: Path) -> Iterator[Example]:
    """Yields every question of the file, in file order.

    Raises:
        InputError: If the file can't be read, is not JSON or not laid out as SQuAD; the message
            names the file, the record and the field.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(
            f"The data file {path} does not exist; check data -> train, train_only and test"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a name that no file can have
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
    for a, article in enumerate(content["data"]):
        here = f"data[{a}]"
        title = _get(article, "title", str, path, here)
        for p, paragraph in enumerate(_get(article, "paragraphs", list, path, here)):
            there = f"{here}.paragraphs[{p}]"
            context = _get(paragraph, "context", str, path, there)
            for q, record in enumerate(_get(paragraph, "qas", list, path, there)):
                yield _read_question(record, title, context, path, f"{there}.qas[{q}]")


def _read_question(record: Any, title: str, context: str, path: Path, where: str) -> Example:
    answers = [
        Answer(
            _get(answer, "text", str, path, f"{where}.answers[{n}]"),
            _get(answer, "answer_start", int, path, f"{where}.answers[{n}]"),
        )
        for n, answer in enumerate(_get(record, "answers", list, path, where))
    ]
    is_impossible = record.get("is_impossible", False)
    if not isinstance(is_impossible, bool):
        raise InputError(
            f"{path}: {where}.is_impossible is {shorten(is_impossible)}; true or false is needed"
        )
    reasoning_type = record.get("reasoning_type") or ""
    if not isinstance(reasoning_type, str):
        raise InputError(
            f"{path}: {where}.reasoning_type is {shorten(reasoning_type)}; text is needed"
        )
    return Example(
        id=_get(record, "id", str, path, where),
        title=title,
        question=_get(record, "question", str, path, where),
        context=context,
        answers=answers,
        reasoning_type=reasoning_type,
        is_impossible=is_impossible,
        where=f"{path}: {where}",
    )


def _get(record: Any, name: str, kind: type, path: Path, where: str) -> Any:
    if not isinstance(record, dict):
        raise InputError(f"{path}: {where} is {type(record).__name__}, not an object with {name!r}")
    if name not in record:
        raise InputError(f"{path}: {where} has no field {name!r}; SQuAD layout needs it")
    value = record[name]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InputError(
            f"{path}: {where}.{name} is {type(value).__name__}, {kind.__name__} is needed"
        )
    return value
