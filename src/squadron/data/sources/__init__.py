"""Reads examples from files: one module per source, each with `read_examples(path)`.

The folder is the list of sources: a new source is a new file here. A source yields all examples
that it finds; `validation.py` decides which are valid.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

from squadron.errors import InputError

HEAD_CHARS = 1 << 16
"""Maximum number of characters that a source reads to recognize a file."""


@dataclass
class Answer:
    """One accepted answer: `context[start_char:start_char + len(text)] == text` once validated."""

    text: str
    start_char: int


@dataclass
class Example:
    """One question about one context. No answers means "not answered here"."""

    id: str
    title: str
    question: str
    context: str
    answers: list[Answer] = field(default_factory=list)
    reasoning_type: str = ""
    is_impossible: bool = False
    """Whether the data say that there is no answer. Without it, an example must have an answer."""
    where: str = ""
    """File and record of the example, for messages."""


class Source(Protocol):
    """What a module of this folder provides."""

    SETTINGS: str
    """The settings of an experiment that choose this source."""

    def recognizes(self, path: Path) -> bool:
        """Says whether a file looks like one of this source; raises only OSError."""
        ...

    def read_examples(self, path: Path) -> Iterator[Example]:
        """Yields the examples of one file; raises InputError naming file, record and field."""
        ...


def list_sources() -> list[str]:
    """Returns the names of all sources, which are the files of this folder."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def load_source(name: str) -> Source:
    """Returns the source of that name.

    Raises:
        InputError: If there is none. The message lists all sources.
    """
    if name not in list_sources():
        raise InputError(f"data -> source: {name!r} is not a source; known: {list_sources()}")
    return cast(Source, importlib.import_module(f"{__name__}.{name}"))


def read_file(name: str, path: Path) -> Iterator[Example]:
    """Yields the examples that the source of that name reads from a file.

    Raises:
        InputError: If the source can't read the file. If the file looks like one of another source,
            the message says which.
    """
    try:
        yield from load_source(name).read_examples(path)
    except InputError as error:
        raise InputError(f"{error}{_name_other(name, path)}") from None


def _name_other(name: str, path: Path) -> str:
    """Returns which settings to use if another source recognizes the file; else ""."""
    if not path.is_file() or load_source(name).recognizes(path):
        return ""
    for other in list_sources():
        source = load_source(other)
        if other != name and source.recognizes(path):
            return f"; it looks like a file of the source {other!r}: set {source.SETTINGS}"
    return ""
