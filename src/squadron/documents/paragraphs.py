"""Makes the text of a document from the lines of its pages: paragraphs, headings, tables."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from squadron.documents.document import Section
from squadron.documents.hyphens import clean, drop_soft_hyphens, join_lines, list_words
from squadron.documents.layout import Line
from squadron.documents.words import HYPHEN

HEADING_SIZE = 1.15
"""How much larger than most of the text a heading is, at least."""
MAX_HEADING = 200
"""Maximum number of characters of a heading; a longer text in large letters is text."""
PARAGRAPH_GAP = 0.25
"""How much more space than usual there is between two paragraphs, in heights of a line."""

_LEADER = re.compile(r"(?:\.\s?){5,}\s*\w*$|\s(?:\. ){4,}")
_BULLET = re.compile(r"[•▪■●○◦‣–—*·]\s|\(?(?:\d{1,2}|[a-z])[.)]\s")
_NUMBERED = re.compile(r"(?:\d+\.?|\d+(?:\.\d+)+\.?|[A-Z]\.)\s+[^\W\d]")
_END = re.compile(r"[.!?:;…。！？][\"'”’)\]]*$")


@dataclass
class TextBuilder:
    """Collects the text of a document piece by piece, with its pages and sections."""

    parts: list[str] = field(default_factory=list)
    length: int = 0
    page_starts: list[int] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)

    def add(self, text: str, separator: str = "\n\n") -> None:
        """Adds a piece after a separator, which the first piece does not have."""
        if not text:
            return
        if self.length:
            self.parts.append(separator)
            self.length += len(separator)
        self.parts.append(text)
        self.length += len(text)

    def add_heading(self, title: str) -> None:
        """Adds a heading and begins a section."""
        self.add(title)
        title_line = " ".join(title.split())
        self.sections.append(Section(title_line, self.length - len(title), self.length))

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.parts)

    def list_pages(self) -> tuple[tuple[int, int], ...]:
        """Returns the range of every page. The blanks between two pages belong to the first."""
        starts = self.page_starts or [0]
        return tuple(zip(starts, [*starts[1:], self.length], strict=True))


@dataclass
class _Block:
    """A paragraph, a heading or a row of a table, in the making."""

    text: str
    last: Line
    is_heading: bool
    separator: str
    page_starts: dict[int, int]
    """Page (from 0) to where its text begins in this block."""

    def append(self, line: Line, page: int, words: set[str]) -> None:
        """Joins the next line, which may stand on the next page."""
        self.text = join_lines(self.text, line.text, words)
        self.page_starts.setdefault(page, len(self.text) - len(line.text))
        self.last = line


def build_text(pages: Sequence[Sequence[Line]], titles: Sequence[Collection[str]]) -> TextBuilder:
    """Returns the text of a document from the lines of its pages in reading order.

    Lines of a table of contents (with leaders of dots) are left out.

    Args:
        pages: The lines of every page.
        titles: For every page the titles that the outline of the file has there.
    """
    pages = [
        _close_wide_blanks(
            [replace(line, text=clean(line.text)) for line in page if not _LEADER.search(line.text)]
        )
        for page in pages
    ]
    builder = TextBuilder()
    starts: dict[int, int] = {}
    for block in _make_blocks(pages, titles):
        text = drop_soft_hyphens(block.text)
        if block.is_heading:
            builder.add_heading(text)
        else:
            builder.add(text, block.separator)
        for page, offset in block.page_starts.items():
            before = len(drop_soft_hyphens(block.text[:offset]))
            starts.setdefault(page, builder.length - len(text) + before)
    for page in reversed(range(len(pages))):
        # A page without text begins where the next one does.
        starts.setdefault(page, starts.get(page + 1, builder.length))
    builder.page_starts = [0 if page == 0 else starts[page] for page in range(len(pages))]
    return builder


def _close_wide_blanks(lines: list[Line]) -> list[Line]:
    """Makes prose of a justified line with a wide blank: it is full, and no table is around it."""
    closed = list(lines)
    for place in range(1, len(lines) - 1):
        line = lines[place]
        is_full = line.column_right - line.right < line.height
        if line.cells == 2 and is_full and lines[place - 1].cells == lines[place + 1].cells == 1:
            closed[place] = replace(line, text=" ".join(line.text.split()), cells=1)
    return closed


def _make_blocks(
    pages: Sequence[Sequence[Line]], titles: Sequence[Collection[str]]
) -> Iterator[_Block]:
    words = list_words(line.text for page in pages for line in page)
    body = _find_body_size(pages)
    block: _Block | None = None
    for number, (page, known) in enumerate(zip(pages, titles, strict=True)):
        marks = {_letters(title) for title in known}
        usual = _usual_gap(page)
        for line in page:
            is_heading = _is_heading(line, body, marks)
            separator = _separate(block, line, is_heading, usual) if block else "\n\n"
            if block and separator == " ":
                block.append(line, number, words)
                continue
            if block:
                yield block
            block = _Block(line.text, line, is_heading, separator, {number: 0})
    if block:
        yield block


def _find_body_size(pages: Sequence[Sequence[Line]]) -> float:
    """Returns the height of the lines that hold most of the text."""
    sizes: Counter[float] = Counter()
    for page in pages:
        for line in page:
            sizes[round(line.height * 2) / 2] += len(line.text)
    return max(sizes, key=lambda size: sizes[size], default=10.0)


def _usual_gap(page: Sequence[Line]) -> float:
    """Returns the vertical gap inside the paragraphs of a page, in heights of a line.

    It is the lower quartile of all gaps: on a page of short lists, most gaps are wider.
    """
    gaps = [
        (a.bottom - b.top) / max(a.height, 1.0) for a, b in pairwise(page) if a.bottom > b.bottom
    ]
    return max(0.0, sorted(gaps)[len(gaps) // 4]) if gaps else 0.3


def _letters(text: str) -> str:
    return "".join(char for char in text.casefold() if char.isalnum())


def _is_heading(line: Line, body: float, titles: Collection[str]) -> bool:
    if len(line.text) > MAX_HEADING or not any(char.isalpha() for char in line.text):
        return False
    if _letters(line.text) in titles:
        return True
    is_numbered = line.is_bold and bool(_NUMBERED.match(line.text)) and not _END.search(line.text)
    return line.height >= HEADING_SIZE * body or (is_numbered and line.cells == 1)


def _separate(block: _Block, line: Line, is_heading: bool, usual: float) -> str:
    """Returns what stands between a block and the next line: a blank, a line end, an empty line."""
    last = block.last
    is_same_column = last.bottom > line.bottom and last.column_left == line.column_left
    gap = (last.bottom - line.top) / max(last.height, 1.0)
    is_apart = not is_same_column or gap > usual + PARAGRAPH_GAP
    is_same_size = abs(last.height - line.height) < 0.15 * max(last.height, line.height)
    if is_heading or block.is_heading:
        is_wrapped = last.bottom > line.bottom and gap < usual + 2 * PARAGRAPH_GAP
        is_one = is_heading and block.is_heading and is_wrapped and is_same_size
        return " " if is_one and not _NUMBERED.match(line.text) else "\n\n"
    if last.cells > 1 or line.cells > 1:
        return "\n\n" if is_same_column and gap > usual + 1.5 else "\n"
    if _BULLET.match(line.text):
        return "\n"
    if not is_same_column:
        return _separate_columns(block, line, is_same_size)
    if is_apart or not is_same_size or last.is_bold != line.is_bold:
        return "\n\n"
    width = max(last.column_right - last.column_left, 1.0)
    is_short = last.column_right - last.right > 0.2 * width
    is_indented = line.left - last.left > 0.7 * line.height and not _BULLET.match(block.text)
    has_ended = bool(_END.search(last.text))
    if has_ended and (is_short or is_indented):
        return "\n\n"
    # Short lines that begin with a capital are a list, an address or a poem.
    is_list = is_short and last.right - last.left < 0.6 * width and not line.text[0].islower()
    return "\n" if is_list and not last.text.endswith((",", "-", HYPHEN)) else " "


def _separate_columns(block: _Block, line: Line, is_same_size: bool) -> str:
    """Says whether a sentence goes on in the next column or on the next page."""
    last = block.last
    is_open = not _END.search(last.text)
    is_full = last.right > last.column_right - 0.1 * (last.column_right - last.column_left)
    goes_on = is_open and (line.text[0].islower() or (is_full and last.cells == 1))
    return " " if goes_on and is_same_size else "\n\n"
