"""Reads JSON lines with one question about one whole document per line, as Google publishes them.

Natural Questions and TyDi QA share this shape: several people annotated each question, each with
spans of the document, or with yes or no.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from squadron.config.parsing import parse_json
from squadron.data.sources import Answer, Example
from squadron.data.sources._faults import Faults
from squadron.data.sources._fields import get_field, get_reasoning_type, is_object
from squadron.data.sources._records import check_labelled
from squadron.data.sources._text import parse_lines, read_head, read_lines

MAX_LINE = 1 << 24
"""The most characters of the first line that is read to recognize a file. A line holds a page."""


@dataclass
class Document:
    """The document of one record, with the answers that people marked in it."""

    title: str
    context: str
    spans: list[tuple[int, int]] = field(default_factory=list)
    """[start, end) of the short answers in characters of the context; start = end if a span of the
    record is outside the document, which validation rejects."""
    has_other_answer: bool = False
    """Whether someone answered with yes, no or a whole passage."""


def read_documents(
    path: Path, layout: str, read: Callable[[dict[str, Any], str, Faults], Document]
) -> Iterator[Example]:
    """Yields one example per line, in file order.

    Every different span is an accepted answer. A question without any answer is unanswerable. A
    question whose only answers are yes, no or a whole passage can't be answered with a span: it
    comes without an answer and not marked unanswerable, so that validation rejects and counts it.

    Args:
        path: The file.
        layout: Its name, for messages.
        read: Reads one record; gets the record and its place.

    Raises:
        InputError: If the file can't be read, a record lacks a field, or no record has annotations.
    """
    faults = Faults(path, f"{layout} needs these fields, of these types")
    contexts: dict[str, str] = {}
    count = labelled = 0
    for number, record in parse_lines(path, read_lines(path)):
        where = f"line {number}"
        count += 1
        if not is_object(record, "annotations", where, faults):
            continue
        document = read(record, where, faults)
        labelled += bool(record.get("annotations"))
        example = _make_example(record, document, where, faults)
        if not faults.count:
            example.where = f"{path}: {where}"
            example.context = contexts.setdefault(example.context, example.context)
            yield example
    faults.check()
    check_labelled(path, count, labelled > 0)


def has_fields(path: Path, *names: str) -> bool:
    """Says whether the first line of a file is an object with these fields; raises only OSError."""
    head = read_head(path).lstrip()
    if head[:1] != "{" or not ('"annotations"' in head or '"document_' in head):
        return False
    try:
        # The first record may be as long as a page.
        first = next((line for line in read_lines(path) if line.strip()), "")
        record = parse_json(first[:MAX_LINE])
    except ValueError:  # InputError is one
        return False
    return isinstance(record, dict) and all(name in record for name in names)


def _make_example(
    record: dict[str, Any], document: Document, where: str, faults: Faults
) -> Example:
    context = document.context
    answers = [Answer(context[start:end], start) for start, end in dict.fromkeys(document.spans)]
    number = record.get("example_id")
    if isinstance(number, int) and not isinstance(number, bool) and number.bit_length() <= 128:
        record = {**record, "example_id": str(number)}
    return Example(
        id=get_field(record, "example_id", str, where, faults),
        title=document.title,
        question=get_field(record, "question_text", str, where, faults),
        context=context,
        answers=answers,
        reasoning_type=get_reasoning_type(record, where, faults),
        is_impossible=not answers and not document.has_other_answer,
    )
