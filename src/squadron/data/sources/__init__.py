"""Reads examples from files: one module per source, each with `read_examples(path)`.

The folder is the list of sources: a new source is a new file here. A source yields all examples
that it finds; `validation.py` decides which are valid.
"""

import contextlib
import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

from squadron.data.sources._text import check_encoding
from squadron.errors import InputError

AUTO = "auto"
"""The value of `data.source` that lets each file choose the source that recognizes it."""


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


def check_source(name: str) -> None:
    """Refuses a name that is neither a source nor `auto`.

    Raises:
        InputError: If it is unknown. The message lists all sources.
    """
    known = [AUTO, *list_sources()]
    if name not in known:
        raise InputError(f"data -> source: {name!r} is not a source; known: {known}")


def load_source(name: str) -> Source:
    """Returns the source of that name.

    Raises:
        InputError: If there is none. The message lists all sources.
    """
    if name not in list_sources():
        check_source(name)
        raise InputError(f"data -> source: {name!r} is chosen by the file; name a source here")
    return cast(Source, importlib.import_module(f"{__name__}.{name}"))


def list_modules(name: str) -> list[str]:
    """Returns the modules below `squadron` that may read files of a source, for provenance."""
    return [f"data.sources.{each}" for each in (list_sources() if name == AUTO else [name])]


def find_sources(path: Path) -> list[str]:
    """Returns the names of the sources that recognize a file.

    Raises:
        InputError: If the file can't be read.
    """
    try:
        return [name for name in list_sources() if load_source(name).recognizes(path)]
    except (OSError, ValueError) as error:  # ValueError: an impossible file name
        raise InputError(f"The data file {str(path)!r} can't be read: {error}") from None


def choose_source(path: Path) -> str:
    """Returns the name of the one source that recognizes a file.

    Raises:
        InputError: If none or several do, or the file can't be read.
    """
    found = find_sources(path)
    if len(found) == 1:
        return found[0]
    if not found and path.is_file():
        check_encoding(path)
    which = f"the sources {found} recognize it" if found else "no source recognizes it"
    raise InputError(
        f"The data file {path} leaves open how to read it: {which}; set data.source to one of "
        f"{found or list_sources()}"
    )


def read_file(name: str, path: Path) -> Iterator[Example]:
    """Yields the examples that the source of that name reads from a file.

    Args:
        name: The name of a source, or `auto` for the source that recognizes the file.
        path: The file or folder.

    Raises:
        InputError: If the source can't read the file. If the file looks like one of another source,
            the message says which.
    """
    if name == AUTO:
        name = choose_source(path)
    try:
        yield from load_source(name).read_examples(path)
    except InputError as error:
        raise InputError(f"{error}{_name_other(name, path)}") from None


def _name_other(name: str, path: Path) -> str:
    """Returns which settings to use if another source recognizes the file; else ""."""
    if not (path.is_file() or path.is_dir()):
        return ""
    with contextlib.suppress(OSError):  # the first message says why the file can't be read
        if load_source(name).recognizes(path):
            return ""
        for other in list_sources():
            source = load_source(other)
            if other != name and source.recognizes(path):
                return f"; it looks like a file of the source {other!r}: set {source.SETTINGS}"
    return ""
