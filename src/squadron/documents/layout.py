"""Puts the words of a page into lines, in the order in which a person reads them.

Columns of prose are read one after the other. The rows of a table stay lines.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from squadron.documents.words import MIN_SPACE, Word

MIN_GUTTER = 0.6
"""The narrowest gap between two columns, in heights of a line."""
CELL_GAP = 1.5
"""The narrowest gap between two cells of a table, in heights of a line."""
MIN_ROWS = 3
"""The smallest number of lines of a column of prose."""
MIN_NESTED_ROWS = 8
"""The same for two columns that stand on one side of a gutter."""
MIN_WORDS = 3
"""The smallest number of words (median) in the lines of a column."""
MIN_FILL = 0.6
"""The smallest part (median) of the width of a column that its lines fill."""
MIN_WIDTH = 0.15
"""The narrowest column, as a part of the width of the text around it."""
MAX_OFFSET = 0.12
"""How much the baselines of one row of a table differ at most, in heights of a line (median)."""
MAX_TABLE_ROWS = 0.3
"""In prose, at most this part of the lines has a gap that is as wide as between two cells."""

Gap = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One line of text. Cells of a table are separated by two spaces."""

    text: str
    left: float
    right: float
    bottom: float
    top: float
    height: float
    """Median height of its words, which is close to the size of the font."""
    is_bold: bool
    cells: int
    """How many pieces there are that wide gaps separate; 1 in prose."""
    column_left: float
    column_right: float
    """Where the column begins and ends in which the line stands."""


def read_lines(words: Iterable[Word]) -> list[Line]:
    """Returns the lines of a page in reading order."""
    lines: list[Line] = []
    for region in _order_regions(group_rows(words)):
        everything = [word for row in region for word in row]
        left, right = min(w.left for w in everything), max(w.right for w in everything)
        lines += [make_line(row, left, right) for row in region]
    return lines


def group_rows(words: Iterable[Word]) -> list[list[Word]]:
    """Returns rows of words from top to bottom, each from left to right.

    Words are of one row if their middles differ by less than half of the smaller height. A raised
    or lowered small word (an index, a footnote mark) belongs to the row that it overlaps.
    """
    rows: list[list[Word]] = []
    for word in sorted(words, key=lambda word: (-word.middle, word.left)):
        for row in reversed(rows[-2:]):
            first = max(row, key=lambda other: other.height)
            low = min(word.height, first.height)
            overlap = min(word.top, first.top) - max(word.bottom, first.bottom)
            is_small = low < 0.8 * max(word.height, first.height)
            if abs(word.middle - first.middle) < 0.45 * low or (is_small and overlap > 0.6 * low):
                row.append(word)
                break
        else:
            rows.append([word])
    return [sorted(row, key=lambda word: word.left) for row in rows]


def make_line(row: Sequence[Word], column_left: float, column_right: float) -> Line:
    """Joins the words of a row."""
    height = median(word.height for word in row)
    parts = [row[0].text]
    cells = 1
    for before, word in pairwise(row):
        gap = (word.left - before.right) / max(height, 1.0)
        cells += gap > CELL_GAP
        # A raised index stands close to its word, and the file has no blank before it.
        has_blank = gap > MIN_SPACE or word.follows_blank
        parts += ["  " if gap > CELL_GAP else " " if has_blank else "", word.text]
    return Line(
        "".join(parts),
        row[0].left,
        max(word.right for word in row),
        min(word.bottom for word in row),
        max(word.top for word in row),
        height,
        all(word.is_bold for word in row),
        cells,
        column_left,
        column_right,
    )


def _order_regions(rows: list[list[Word]]) -> list[list[list[Word]]]:
    """Returns regions (lists of rows) in reading order: whole width, left column, right column."""
    regions: list[list[list[Word]]] = []
    plain: list[list[Word]] = []
    place = 0
    while place < len(rows):
        end, gaps = _find_group(rows, place)
        group = rows[place:end]
        gutter = _choose_gutter(group, gaps)
        if gutter:
            group = group[: _end_columns(group, gutter)]
            end = place + len(group)
        if gutter is None:
            plain += group
        else:
            if plain:
                regions.append(plain)
                plain = []
            for side in _split(group, gutter):
                regions += _order_regions(group_rows(word for row in side for word in row))
        place = end
    return [*regions, plain] if plain else regions


def _find_group(rows: list[list[Word]], start: int) -> tuple[int, list[Gap]]:
    """Returns the end of the longest group of rows with a common gap, and its common gaps."""
    left = min(word.left for row in rows for word in row)
    right = max(word.right for row in rows for word in row)
    common = _find_gaps(rows[start], left, right)
    end = start + 1
    while end < len(rows):
        narrowest = MIN_GUTTER * median(word.height for word in rows[end])
        shared = _intersect(common, _find_gaps(rows[end], left, right), narrowest)
        if not shared:
            break
        common, end = shared, end + 1
    return end, common


def _find_gaps(row: Sequence[Word], left: float, right: float) -> list[Gap]:
    """Returns the gaps of a row. A margin counts where the row fills less than half of the width.

    It is then the place of a column that has no text at this height. A title in the middle has
    margins, too, but they are no columns.
    """
    middle = (left + right) / 2
    gaps: list[Gap] = [(left, row[0].left)] if row[0].left > middle else []
    edge = row[0].right
    for word in row[1:]:
        if word.left > edge:
            gaps.append((edge, word.left))
        edge = max(edge, word.right)
    return [*gaps, (edge, right)] if edge < middle else gaps


def _intersect(some: list[Gap], others: list[Gap], narrowest: float) -> list[Gap]:
    both = [(max(a[0], b[0]), min(a[1], b[1])) for a in some for b in others]
    return [gap for gap in both if gap[1] - gap[0] >= narrowest]


def _choose_gutter(rows: list[list[Word]], gaps: list[Gap]) -> Gap | None:
    """Returns the widest gap with prose on both sides, if there is one."""
    for gap in sorted(gaps, key=lambda gap: gap[0] - gap[1]):
        sides = _split(rows, gap)
        width = max(w.right for r in rows for w in r) - min(w.left for r in rows for w in r)
        are_prose = [_is_prose(side, width) or _has_columns(side) for side in sides]
        if all(are_prose) or (any(are_prose) and _are_unaligned(*sides)):
            return gap
    return None


def _are_unaligned(left: list[list[Word]], right: list[list[Word]]) -> bool:
    """Says whether the lines on both sides stand at heights of their own, unlike those of a table.

    This is how a list of names beside some prose is known.
    """
    if min(len(left), len(right)) < MIN_ROWS:
        return False
    others = [row[0].bottom for row in right]
    # A line of the left side is compared with the nearest one of the right side.
    distances = [
        min(abs(row[0].bottom - other) for other in others) / max(row[0].height, 1.0)
        for row in left
    ]
    near = [distance for distance in distances if distance < 0.5]
    return median(near or [0.5]) > MAX_OFFSET


def _has_columns(rows: list[list[Word]]) -> bool:
    """Says whether rows are columns of prose themselves, as two of three columns are.

    A table with long cells looks the same, so that only many rows with many words count.
    """
    if len(rows) < MIN_NESTED_ROWS:
        return False
    end, gaps = _find_group(rows, 0)
    return end == len(rows) and any(
        all(_is_prose(side, 0.0) and _count_words(side) > MIN_WORDS for side in _split(rows, gap))
        for gap in gaps
    )


def _end_columns(rows: list[list[Word]], gutter: Gap) -> int:
    """Returns where columns end: before a heading on the left that stands apart below them."""
    for place in range(len(rows) - 1, 0, -1):
        if rows[place][-1].right > gutter[0]:
            break
        above, below = rows[place - 1], rows[place]
        gap = min(word.bottom for word in above) - max(word.top for word in below)
        if gap > median(word.height for word in below):
            return place
    return len(rows)


def _split(rows: list[list[Word]], gap: Gap) -> tuple[list[list[Word]], list[list[Word]]]:
    middle = sum(gap) / 2
    left = [[word for word in row if word.left < middle] for row in rows]
    right = [[word for word in row if word.left >= middle] for row in rows]
    return [row for row in left if row], [row for row in right if row]


def _is_prose(rows: list[list[Word]], around: float) -> bool:
    if len(rows) < MIN_ROWS:
        return False
    width = max(w.right for r in rows for w in r) - min(w.left for r in rows for w in r)
    fills = [(row[-1].right - row[0].left) / max(width, 1.0) for row in rows]
    words = _count_words(rows)
    tables = [max(_inner_gaps(row), default=0.0) > CELL_GAP for row in rows]
    if sum(tables) > MAX_TABLE_ROWS * len(rows):
        return False
    return width >= MIN_WIDTH * around and words >= MIN_WORDS and median(fills) >= MIN_FILL


def _count_words(rows: list[list[Word]]) -> float:
    return median(len(row) for row in rows)


def _inner_gaps(row: Sequence[Word]) -> list[float]:
    pairs = pairwise(row)
    return [(b.left - a.right) / max(a.height, 1.0) for a, b in pairs]
