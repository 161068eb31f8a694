"""Reads the words of a page of a PDF with their places; the only module that calls pdfium for text.

pdfium gives characters in the order of the file. Words are made from their places, because pdfium
leaves out the space where a justified line has a narrow one.
"""

import ctypes
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import median

import pypdfium2 as pdfium
from pypdfium2 import raw

HYPHEN = "\u00ad"
"""What stands for a hyphen at the end of a line, where pdfium has joined the two lines."""
MIN_HEIGHT = 3.0
"""Smaller characters, in points, are hidden text such as marks of a typesetting program."""
MIN_SPACE = 0.1
"""The narrowest space between two words, in heights of the line."""
BREAKS = {"\r", "\n", " ", "\t", "\u00a0", "\u2002", "\u2003", "\u2009"}
HYPHEN_CODES = {0x02, 0xAD, 0xFFFE}


@dataclass(frozen=True)
class Word:
    """One word and its box in points. The origin is the lower left corner of the page."""

    text: str
    left: float
    right: float
    bottom: float
    top: float
    is_bold: bool = False
    follows_blank: bool = True
    """Whether the file has a blank before it, or a gap of its width."""

    @property
    def height(self) -> float:
        """Height of the line, from the descent to the ascent of its font."""
        return self.top - self.bottom

    @property
    def middle(self) -> float:
        """The vertical middle."""
        return (self.top + self.bottom) / 2


@dataclass(frozen=True)
class _Char:
    text: str
    left: float
    right: float
    bottom: float
    top: float
    index: int
    follows_blank: bool

    @property
    def height(self) -> float:
        return self.top - self.bottom


def read_words(page: pdfium.PdfPage) -> list[Word]:
    """Returns the words of a page in the order of the file.

    Text that does not stand in the direction of most of the page (a stamp, the label of an axis)
    is left out, and so is text that is too small to be read. A page that is turned is turned back.
    """
    text = page.get_textpage()
    try:
        runs = list(_read_runs(text))
        turns = [_read_turn(text, run[0].index) for run in runs]
        sizes: Counter[int] = Counter()
        for run, turn in zip(runs, turns, strict=True):
            sizes[turn] += len(run)
        most = max(sizes, key=lambda turn: sizes[turn], default=0)
        words = []
        for run, turn in zip(runs, turns, strict=True):
            if turn == most and turn >= 0:
                is_bold = _is_bold(text, run[0].index)
                words += list(_cut_run([_turn(char, turn) for char in run], is_bold))
        return words
    finally:
        text.close()


def _read_runs(text: pdfium.PdfTextPage) -> Iterator[list[_Char]]:
    """Yields runs of characters without a blank or a line break."""
    run: list[_Char] = []
    box = raw.FS_RECTF()
    high = 0
    follows_blank = False
    for index in range(text.count_chars()):
        code = raw.FPDFText_GetUnicode(text, index)
        if 0xD800 <= code < 0xDC00:
            high = code
            continue
        if 0xDC00 <= code < 0xE000:
            code = 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00) if high else 0
        high = 0
        char = HYPHEN if code in HYPHEN_CODES else chr(code) if 0 < code < 0x110000 else ""
        if char in BREAKS:
            if run:
                yield run
            run = []
            follows_blank = char not in "\r\n"
            continue
        if not (char.isprintable() or char == HYPHEN) or not char:
            continue
        if not raw.FPDFText_GetLooseCharBox(text, index, ctypes.byref(box)):
            continue
        run.append(_Char(char, box.left, box.right, box.bottom, box.top, index, follows_blank))
        follows_blank = False
        if char == HYPHEN:
            yield run
            run = []
    if run:
        yield run


def _read_turn(text: pdfium.PdfTextPage, index: int) -> int:
    """Returns by how many quarter turns a character is turned; -1 for a slanted line."""
    quarters = raw.FPDFText_GetCharAngle(text, index) / (math.pi / 2)
    return round(quarters) % 4 if abs(quarters - round(quarters)) < 0.05 else -1


def _turn(char: _Char, turn: int) -> _Char:
    """Returns the character with its box turned back by quarter turns."""
    left, right, bottom, top = char.left, char.right, char.bottom, char.top
    for _ in range(turn):
        left, right, bottom, top = bottom, top, -right, -left
    return replace(char, left=left, right=right, bottom=bottom, top=top) if turn else char


def _is_bold(text: pdfium.PdfTextPage, index: int) -> bool:
    """Says whether the font of a character is bold, by its weight or its name."""
    if raw.FPDFText_GetFontWeight(text, index) >= 600:
        return True
    name = ctypes.create_string_buffer(128)
    length = raw.FPDFText_GetFontInfo(text, index, name, len(name), ctypes.c_int())
    return 0 < length <= len(name) and any(
        mark in name.value.lower() for mark in (b"bold", b"black", b"cmbx", b"heavy")
    )


def _cut_run(run: list[_Char], is_bold: bool) -> Iterator[Word]:
    """Cuts a run where a gap is as wide as a space, and where the line ends or the size changes."""
    gaps = [(b.left - a.right) / max(a.height, 1.0) for a, b in pairwise(run)]
    # In letter-spaced text all gaps are wide.
    widest = max(MIN_SPACE, (median(gaps) if len(gaps) > 2 else 0) + MIN_SPACE)
    word = [run[0]]
    for gap, before, char in zip(gaps, run, run[1:], strict=False):
        is_raised = abs(char.bottom - before.bottom) > 0.6 * before.height
        if gap > widest or gap < -1 or is_raised:
            yield from _make_word(word, is_bold)
            word = []
            char = replace(char, follows_blank=gap > widest)
        word.append(char)
    yield from _make_word(word, is_bold)


def _make_word(chars: list[_Char], is_bold: bool) -> Iterator[Word]:
    bottom, top = min(c.bottom for c in chars), max(c.top for c in chars)
    if max(c.height for c in chars) >= MIN_HEIGHT:
        left, right = min(c.left for c in chars), max(c.right for c in chars)
        text = "".join(c.text for c in chars)
        yield Word(text, left, right, bottom, top, is_bold, chars[0].follows_blank)
