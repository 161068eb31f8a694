"""The conversation of `squadron ask --interactive`."""

import contextlib
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from squadron.errors import InputError

if TYPE_CHECKING:
    from squadron.commands._document_search import DocumentSearch
    from squadron.commands._shown import Shown

PROMPT = "Question (Enter ends, :help shows more): "
IN, ALL, HELP = ":in", ":all", ":help"
COMMANDS = """:in DOCUMENT  search one document alone, and ask the last question again there
:all          search all documents again
:help         show this
Enter         end"""


def talk(answer: "Callable[[Sequence[str]], list[Shown]]", search: "DocumentSearch | None") -> None:
    """Answers the questions that a person types, until an empty line or the end of the input.

    In a terminal, the arrow keys bring back earlier questions.

    Args:
        answer: Answers questions.
        search: Where they are searched; None if they are asked about one text.
    """
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401 gives `input` a history
    last = ""
    while line := _read_line():
        word, _, rest = line.partition(" ")
        if word == HELP:
            print(COMMANDS)
            continue
        if word in (IN, ALL):
            asked = _narrow(search, rest.strip() if word == IN else "", is_all=word == ALL)
            if not (asked and last and word == IN):
                continue
        else:
            last = line
        (shown,) = answer([last])
        print("\n".join(shown.lines), end="\n\n", flush=True)


def _read_line() -> str:
    """Returns what the person types, without blanks around it; "" at the end of the input."""
    try:
        return input(PROMPT if sys.stdin.isatty() else "").strip()
    except EOFError:
        return ""


def _narrow(search: "DocumentSearch | None", document: str, *, is_all: bool) -> bool:
    """Searches one document, or all; says what is searched now. Returns False if it can't be."""
    if search is None or not (document or is_all):
        missing = "Name a document" if search else "There is one text alone, and no document"
        print(f"{missing}; {HELP} shows what can be typed.")
        return False
    try:
        search.narrow(document)
    except InputError as error:
        print(error)
        return False
    print(f"Searching {search.document or 'all documents'}.")
    return True
