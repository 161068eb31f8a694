"""Passages as rows of a table, and the passages that the contexts of questions are."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from squadron.artifacts import PASSAGES
from squadron.documents.passages import Passage


def to_row(passage: Passage) -> dict[str, object]:
    """Returns the columns of a passage."""
    row: dict[str, object] = {name: getattr(passage, name) for name in PASSAGES.names}
    return {**row, "page_breaks": list(passage.page_breaks)}


def to_passage(row: Mapping[str, Any]) -> Passage:
    """Returns the passage of a row, which may have other columns besides."""
    fields = {name: row[name] for name in PASSAGES.names}
    return Passage(**{**fields, "page_breaks": tuple(fields["page_breaks"])})


def make_table(passages: Sequence[Passage]) -> pa.Table:
    """Returns passages as a table of schema `artifacts.PASSAGES`, in their order."""
    return pa.Table.from_pylist([to_row(each) for each in passages], schema=PASSAGES)


def read_passages(table: pa.Table) -> list[Passage]:
    """Returns the passages of a table that `make_table` made."""
    return [to_passage(row) for row in table.to_pylist()]


def make_context_passages(pairs: Iterable[tuple[str, str]]) -> Iterator[Passage]:
    """Yields every different context as one passage, title by title.

    The title of a context is the passage's document and heading. The contexts of a title count as
    one text, in which they are separated by one character.

    Args:
        pairs: (title, context) of each question.
    """
    texts: dict[str, dict[str, None]] = {}
    for title, context in pairs:
        texts.setdefault(title, {})[context] = None
    for title, contexts in texts.items():
        heading, start = title.replace("_", " "), 0
        for text in contexts:
            identity = "\0".join((title, str(start), text)).encode()
            name = hashlib.blake2b(identity, digest_size=16).hexdigest()
            yield Passage(name, title, 1, heading, start, start + len(text), text)
            start += len(text) + 1
