"""Where examples come from: one file per source, each with `read_examples(path)`.

The folder is the list: a new source is a new file here. A source yields examples as it finds
them, good or bad; `validation.py` judges them.
"""

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

from squadron.errors import InputError

HEAD_CHARS = 1 << 16
"""Characters at the beginning of a file by which a source recognizes it, at most."""


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
    """The source says that there is no answer; without it, no answers is a fault of the data."""
    where: str = ""
    """File and record, for messages."""


class Source(Protocol):
    """What a file of this folder offers."""

    SETTINGS: str
    """What an experiment says to have its files read so."""

    def recognizes(self, path: Path) -> bool:
        """Says whether a file looks like one of this source; raises only OSError."""
        ...

    def read_examples(self, path: Path) -> Iterator[Example]:
        """Yields the examples of one file; raises InputError naming file, record and field."""
        ...


def list_sources() -> list[str]:
    """The names of all sources: the files of this folder."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def load_source(name: str) -> Source:
    """The source of that name.

    Raises:
        InputError: If there is none, with the names there are.
    """
    if name not in list_sources():
        raise InputError(f"data -> source: {name!r} is not a source; known: {list_sources()}")
    return cast(Source, importlib.import_module(f"{__name__}.{name}"))


def read_file(name: str, path: Path) -> Iterator[Example]:
    """Yields the examples of one file, as the source of that name reads it.

    Raises:
        InputError: As the source's; if the file looks like one of another source, it says which.
    """
    try:
        yield from load_source(name).read_examples(path)
    except InputError as error:
        raise InputError(f"{error}{_name_other(name, path)}") from None


def _name_other(name: str, path: Path) -> str:
    """What to set where another source, and not this one, knows the file; "" if none does."""
    if not path.is_file() or load_source(name).recognizes(path):
        return ""
    for other in list_sources():
        source = load_source(other)
        if other != name and source.recognizes(path):
            return f"; it looks like a file of the source {other!r}: set {source.SETTINGS}"
    return ""
