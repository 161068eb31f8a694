"""Reads SQuAD v1.1 and v2.0 JSON: {"data": [{"title", "paragraphs": [{"context", "qas": [...]}]}]}.

Source: Rajpurkar et al. 2016 (arXiv:1606.05250) and 2018 (arXiv:1806.03822).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from squadron.config.parsing import parse_json
from squadron.data.sources import Example
from squadron.data.sources._faults import Faults
from squadron.data.sources._fields import (
    get_answers,
    get_field,
    get_is_impossible,
    get_reasoning_type,
    is_object,
)
from squadron.data.sources._text import read_head, read_text
from squadron.errors import InputError

SETTINGS = "data.source: squad"


def read_examples(path: Path) -> Iterator[Example]:
    """Yields all questions of the file, in file order.

    Raises:
        InputError: If the file can't be read, is not JSON or is not in SQuAD layout. The message
            names the file and all kinds of faults, each with its first record and field.
    """
    text = read_text(path)
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
        if not is_object(article, "title", here, faults):
            continue
        title = get_field(article, "title", str, here, faults)
        for p, paragraph in enumerate(get_field(article, "paragraphs", list, here, faults)):
            there = f"{here}.paragraphs[{p}]"
            if not is_object(paragraph, "context", there, faults):
                continue
            context = get_field(paragraph, "context", str, there, faults)
            for q, record in enumerate(get_field(paragraph, "qas", list, there, faults)):
                where = f"{there}.qas[{q}]"
                if not is_object(record, "answers", where, faults):
                    continue
                example = _read_question(record, title, context, where, faults)
                # After the first fault, the rest is read only to find more faults.
                if not faults.count:
                    example.where = f"{path}: {where}"
                    yield example
    faults.check()


def recognizes(path: Path) -> bool:
    """Says whether the beginning of a file looks like SQuAD."""
    head = read_head(path)
    return head.lstrip().startswith("{") and '"data"' in head and '"paragraphs"' in head


def _read_question(
    record: dict[str, Any], title: str, context: str, where: str, faults: Faults
) -> Example:
    return Example(
        id=get_field(record, "id", str, where, faults),
        title=title,
        question=get_field(record, "question", str, where, faults),
        context=context,
        answers=get_answers(record, where, faults),
        reasoning_type=get_reasoning_type(record, where, faults),
        is_impossible=get_is_impossible(record, where, faults),
    )
