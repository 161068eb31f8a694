"""Finds what is no text of a document: repeated headers and footers, and page numbers."""

import re
from collections import Counter
from collections.abc import Sequence

from squadron.documents.layout import group_rows
from squadron.documents.words import Word

EDGE = 0.12
"""The part of a page, at its top and at its bottom, in which headers and footers stand."""
MAX_ROWS = 4
"""Maximum number of rows of a header or a footer."""
MIN_PAGES = 3
"""On how many pages a row must stand. In a document of two pages, it must stand on both."""
MIN_GAP = 0.35
"""The narrowest gap between a header and the text, in heights of its line."""

PAGE_NUMBER = re.compile(
    r"(?:page|seite|p\.)?\s*[-–—]?\s*(\d{1,5})\s*[-–—]?(?:\s*(?:of|/)\s*\d+)?", re.IGNORECASE
)

Row = list[Word]


def remove_furniture(pages: Sequence[Sequence[Word]]) -> list[list[Word]]:
    """Returns the words of every page without headers, footers and page numbers."""
    edges = [
        (_edge_rows(words, from_top=True), _edge_rows(words, from_top=False)) for words in pages
    ]
    seen = [Counter(_key(row) for page in edges for row in page[side]) for side in (0, 1)]
    needed = min(MIN_PAGES, max(2, len(pages)))
    kept = []
    for number, (words, sides) in enumerate(zip(pages, edges, strict=True), 1):
        dropped: set[int] = set()
        for rows, counts in zip(sides, seen, strict=True):
            dropped |= _choose_rows(rows, counts, needed, number, words)
        kept.append([word for word in words if id(word) not in dropped])
    return kept


def _edge_rows(words: Sequence[Word], from_top: bool) -> list[Row]:
    """Returns the rows at an edge of the page, the outermost first."""
    if not words:
        return []
    rows = group_rows(words)
    high, low = max(w.top for w in words), min(w.bottom for w in words)
    band = EDGE * (high - low)
    if from_top:
        return [row for row in rows[:MAX_ROWS] if row[0].middle > high - band]
    return [row for row in rows[: -MAX_ROWS - 1 : -1] if row[0].middle < low + band]


def _key(row: Row) -> tuple[str, int]:
    """What makes two rows the same: their text without numbers, and their height on the page."""
    text = re.sub(r"\d+", "#", " ".join(word.text for word in row))
    return text, round(row[0].middle / 4)


def _choose_rows(
    rows: list[Row], seen: Counter[tuple[str, int]], needed: int, number: int, words: Sequence[Word]
) -> set[int]:
    """Returns the identities of the words to drop: of the outermost rows that are repeated."""
    repeated: list[Row] = []
    for row in rows:
        text, height = _key(row)
        times = sum(seen[text, height + off] for off in (-1, 0, 1))
        match = PAGE_NUMBER.fullmatch(" ".join(word.text for word in row))
        if times < needed and not (match and int(match[1]) == number):
            break
        repeated.append(row)
    # The first rows of the text may be the same on some pages: the widest gap ends the header.
    widest, dropped = 0.0, set[int]()
    for end in range(1, len(repeated) + 1):
        chosen = {id(word) for row in repeated[:end] for word in row}
        gap = _gap_beside(words, chosen) / max(repeated[end - 1][0].height, 1.0)
        if gap >= MIN_GAP and gap > widest:
            widest, dropped = gap, chosen
    return dropped


def _gap_beside(words: Sequence[Word], chosen: set[int]) -> float:
    """Returns the vertical distance between chosen rows at an edge and all other words."""
    rest = [word for word in words if id(word) not in chosen]
    if not rest:
        return float("inf")
    low = min(word.bottom for word in words if id(word) in chosen)
    high = max(word.top for word in words if id(word) in chosen)
    return max(low - max(w.top for w in rest), min(w.bottom for w in rest) - high)
