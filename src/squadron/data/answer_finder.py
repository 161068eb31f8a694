"""Finds where an answer stands in its context if its start or its text is not quite right.

An answer is repaired only if a single place is possible. Owns the kinds of repairs of answers and
the reasons to drop one.
"""

import functools
import re
import unicodedata
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from squadron.data.offset_counts import BLANKS, OffsetCounts, find_first, find_last
from squadron.data.sources import Answer

# How many characters a start may be off. If the answer occurs several times, a start is moved only
# if one occurrence is this near. Off-by-one labels and lost spaces stay within this limit.
REPAIR_REACH = 16

# In a longer context, an answer that is found near its start is not looked for elsewhere, so that
# many faulty answers of one long context take little time.
SEARCHED_CHARS = 100_000

MOVED = "start moved to the only occurrence"
NEARBY = f"start moved to the only occurrence within {REPAIR_REACH} characters"
TRIMMED = "blanks around the answer removed"
INSIDE = "answer given the blanks of its context"
FORM = "answer given the Unicode form of its context"

EMPTY = "empty answer"
ABSENT = "answer not in the context"
AMBIGUOUS = "answer occurs more than once"

_RUN = re.compile(f"[{re.escape(BLANKS)}]+")


class Verdict(NamedTuple):
    """Says how an answer was repaired, or why it can't be used. Both are "" for a right answer."""

    repair: str = ""
    """The kind of repair."""
    fault: str = ""
    """Why the answer can't be used."""


class _Span(NamedTuple):
    """Characters of the context, half-open."""

    start: int
    end: int


class AnswerFinder:
    """Finds answers in one context. What it computes for one answer serves the next.

    Answers are looked up as they are written, and in a folded form of the context: in NFD, and with
    each run of blanks as one space.

    Args:
        context: A text without half surrogate pairs.
    """

    def __init__(self, context: str) -> None:
        self.context = context
        self._counts = OffsetCounts(context)

    def repair(self, answer: Answer) -> Verdict:
        """Checks that the answer stands where it says, and repairs it in place if not."""
        # Spans of tokens never have blanks around them, so the answer must not have any.
        text = answer.text.strip(BLANKS)
        if not text:
            return Verdict(fault=EMPTY)
        if answer.start_char >= 0 and self.context.startswith(answer.text, answer.start_char):
            if text == answer.text:
                return Verdict()
            answer.start_char += len(answer.text) - len(answer.text.lstrip(BLANKS))
            answer.text = text
            return Verdict(repair=TRIMMED)
        found = self._find(text, answer.start_char)
        if isinstance(found, str):
            return Verdict(fault=found)
        span, how = found
        answer.start_char, answer.text = span.start, self.context[span.start : span.end]
        return Verdict(repair=how)

    def find_other(self, answer: Answer) -> int | None:
        """Returns where else a right answer would stand if its start was counted otherwise.

        Returns:
            The character, or None if the text does not stand there under any way of counting.
        """
        text = answer.text
        first = unicodedata.normalize("NFD", text[0])[0]
        for _, place in self._counts.convert(answer.start_char):
            # The first character decides most often, and costs least.
            begin = unicodedata.normalize("NFD", self.context[place : place + 1])[:1]
            if begin == first and place != answer.start_char and self._at(text, _fold(text), place):
                return place
        return None

    def _find(self, text: str, start: int) -> tuple[_Span, str] | str:
        """Returns the only possible place of a text and how it was found, or why there is none."""
        folded = _fold(text)
        hits: dict[_Span, str] = {}
        for way, place in self._counts.convert(start):
            for span in self._at(text, folded, place):
                hits.setdefault(span, way)
        found, how = {*hits, *self._near(text, folded, start)}, NEARBY
        if len(found) != 1 or len(self.context) <= SEARCHED_CHARS:
            everywhere = {*islice(self._raw(text), 2), *islice(self._folded(folded), 2)}
            if not everywhere:
                return ABSENT
            if len(everywhere) == 1:
                found, how = everywhere, MOVED
        if len(found) != 1:
            return AMBIGUOUS
        (span,) = found
        written = self.context[span.start : span.end]
        if written != text:
            nfc = (unicodedata.normalize("NFC", each) for each in (written, text))
            return span, FORM if len({*nfc}) == 1 else INSIDE
        return span, hits.get(span, how)

    def _near(self, text: str, folded: str, start: int) -> set[_Span]:
        """Returns the places of a text that are near a start."""
        if not any(self._raw(text)):
            # No start of this very text can be off, so the start is right if it fits.
            exact = self._at(text, folded, start)
            if exact:
                return exact
        low, high = start - REPAIR_REACH, start + REPAIR_REACH
        return {*self._raw(text, low, high), *self._folded(folded, low, high)}

    def _at(self, text: str, folded: str, place: int) -> set[_Span]:
        """Returns the places of a text that begin at a character; there may be two ends."""
        return {*self._raw(text, place, place), *self._folded(folded, place, place)}

    def _raw(self, text: str, low: int = 0, high: int | None = None) -> Iterator[_Span]:
        """Yields where a text begins from `low` to `high`, both included."""
        for start in _occurrences(self.context, text, low, high):
            yield _Span(start, start + len(text))

    def _folded(self, folded: str, low: int = 0, high: int | None = None) -> Iterator[_Span]:
        """Yields where the folded form begins, from `low` to `high` of the context."""
        if self._is_folded:
            yield from self._raw(folded, low, high)
            return
        size = len(self.context)
        high = size if high is None else min(high, size)
        if high < 0:
            return
        before = self._counts.folded_before
        first, last = int(before[min(max(low, 0), size)]), int(before[high])
        for begin in _occurrences(self._folded_context, folded, first, last):
            # Blanks at the edges stay outside.
            start = find_last(before, begin)
            end = find_first(before, begin + len(folded))
            if start is not None and end is not None and low <= start <= high:
                yield _Span(start, end)

    @functools.cached_property
    def _folded_context(self) -> str:
        return _fold(self.context)

    @functools.cached_property
    def _is_folded(self) -> bool:
        return self._folded_context == self.context


def _fold(text: str) -> str:
    """Returns a text in NFD, with each run of blanks as one space."""
    return unicodedata.normalize("NFD", _RUN.sub(" ", text))


def _occurrences(text: str, wanted: str, low: int, high: int | None) -> Iterator[int]:
    """Yields where `wanted` begins from `low` to `high` (included; None: to the end), in order.

    Occurrences may overlap.
    """
    stop = len(text) if high is None else high + len(wanted)
    start = text.find(wanted, max(low, 0), max(stop, 0))
    while start >= 0:
        yield start
        start = text.find(wanted, start + 1, stop)
