"""Joins words that a line end has cut, and resolves ligatures."""

import re
from collections.abc import Iterable
from unicodedata import normalize

from squadron.documents.words import HYPHEN

SUSPENDED = {"and", "or", "und", "oder", "to"}
"""Words after a hyphen that stands for a missing part ("long- and short-term")."""

_LIGATURE = re.compile("[\ufb00-\ufb06]")
_WORD = re.compile(r"\w+(?:-\w+)*")
_END = re.compile(rf"(\w+(?:-\w+)*)[-\u2010{HYPHEN}]$")
_START = re.compile(r"\w+")


def clean(text: str) -> str:
    """Resolves ligatures (ﬁ becomes fi) and composes letters with their accents.

    Other compatibility characters stay: NFKC would make "m2" of "m²" and "1/2" of "½".
    """
    text = _LIGATURE.sub(lambda match: normalize("NFKC", match[0]), text)
    return normalize("NFC", text)


def list_words(lines: Iterable[str]) -> set[str]:
    """Returns the words of lines in lower case, without those at their ends, which may be cut."""
    words: set[str] = set()
    for line in lines:
        words.update(word.lower() for word in _WORD.findall(line)[1:-1])
    return words


def join_lines(before: str, after: str, words: set[str]) -> str:
    """Joins two lines of a paragraph.

    A hyphen between them is removed, unless the document has the word with its hyphen elsewhere
    and never without it.

    Args:
        before: The first line.
        after: The next line.
        words: The words of the document in lower case.
    """
    cut, start = _END.search(before), _START.match(after)
    if not cut:
        return f"{before} {after}"
    stem = before[:-1]
    if not start or start[0] in SUSPENDED:
        return f"{stem}- {after}"
    first, second = cut[1].rpartition("-")[2], start[0]
    joined, compound = f"{first}{second}".lower(), f"{first}-{second}".lower()
    if not second[0].islower() or not first[-1].isalpha():
        return f"{stem}-{after}"
    if joined not in words and any(compound in word for word in words if "-" in word):
        return f"{stem}-{after}"
    return f"{stem}{after}"


def drop_soft_hyphens(text: str) -> str:
    """Removes the soft hyphens inside a line; where no letter follows, a hyphen is meant."""
    return re.sub(rf"{HYPHEN}(?=\w)", "", text).replace(HYPHEN, "-")
