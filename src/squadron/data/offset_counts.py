"""Converts offsets that were counted in another way than Python counts characters.

Other programs count bytes, UTF-16 units or other line ends. Each way of counting gives every
character of a context a size, and an offset is the sum of the sizes before it.
"""

import functools
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

BLANKS = "".join(chr(code) for code in range(0x3001) if chr(code).isspace()) + "\ufeff"
"""White space as `str.isspace` has it (none is above U+3000), and the byte order mark."""

BYTES = "start was counted in UTF-8 bytes"
UNITS = "start was counted in UTF-16 units"
LINE_ENDS = "start was counted with other line ends (CRLF or LF)"
FORMS = "start was counted in another Unicode form (NFC or NFD)"
MARK = "start was counted without the byte order mark"
SPACES = "start was counted without extra blanks"

Offsets = npt.NDArray[np.int32]
_CARRIAGE, _LINE_FEED = 0x0D, 0x0A
_BLANK_RUN = re.compile(f"[{re.escape(BLANKS)}]{{2,}}")
_BLANK_CODES = np.array([ord(blank) for blank in BLANKS], np.uint32)


class OffsetCounts:
    """Converts offsets into one context. What it computes for one offset serves the next.

    Args:
        context: A text without half surrogate pairs.
    """

    def __init__(self, context: str) -> None:
        self._context = context

    def convert(self, offset: int) -> Iterator[tuple[str, int]]:
        """Yields each way of counting, and the character at which such an offset points.

        A way is left out if it counts this context as Python does, or if no character begins at the
        offset.
        """
        if offset < 0:
            return
        for way, before in self._ways:
            place = find_last(before, offset)
            if place is not None:
                yield way, place
        if self._in_nfc is not None and offset < len(self._in_nfc):
            # NFD is the same for both forms of a text, so that it leads from one to the other.
            place = find_last(self.nfd_before, int(self._in_nfc[offset]))
            if place is not None:
                yield FORMS, place
        if self._blanks_in_front:
            way = MARK if self._context.startswith("\ufeff") else SPACES
            yield way, offset + self._blanks_in_front

    @functools.cached_property
    def nfd_before(self) -> Offsets:
        """Number of NFD characters before each character, and before the end."""
        return _sum_before(_nfd_sizes(self._codes))

    @functools.cached_property
    def folded_before(self) -> Offsets:
        """Number of characters of `fold` before each character, and before the end."""
        sizes = _nfd_sizes(self._codes)
        sizes[self._blank_mask] = 1
        sizes[self._repeated_blank] = 0
        return _sum_before(sizes)

    @functools.cached_property
    def _codes(self) -> npt.NDArray[np.uint32]:
        """The code of each character."""
        return np.frombuffer(self._context.encode("utf-32-le"), np.uint32)

    @functools.cached_property
    def _blank_mask(self) -> npt.NDArray[np.bool_]:
        return np.isin(self._codes, _BLANK_CODES)

    @functools.cached_property
    def _repeated_blank(self) -> npt.NDArray[np.bool_]:
        """Whether each character is a blank that follows a blank."""
        repeated = self._blank_mask.copy()
        repeated[1:] &= self._blank_mask[:-1]
        repeated[:1] = False
        return repeated

    @functools.cached_property
    def _blanks_in_front(self) -> int:
        """Number of blanks at the beginning of the context."""
        return len(self._context) - len(self._context.lstrip(BLANKS))

    @functools.cached_property
    def _ways(self) -> list[tuple[str, Offsets]]:
        """The ways of counting that give an offset other than Python does, and their sums."""
        codes = self._codes
        ways = []
        if not self._context.isascii():
            sizes = 1 + (codes > 0x7F) + (codes > 0x7FF) + (codes > 0xFFFF)
            ways.append((BYTES, _sum_before(sizes)))
            if (codes > 0xFFFF).any():
                ways.append((UNITS, _sum_before(1 + (codes > 0xFFFF))))
            if not unicodedata.is_normalized("NFD", self._context):
                ways.append((FORMS, self.nfd_before))
        if "\n" in self._context:
            is_line_feed = codes == _LINE_FEED
            after_carriage = np.zeros(len(codes), np.bool_)
            after_carriage[1:] = (codes == _CARRIAGE)[:-1]
            is_pair = is_line_feed & after_carriage
            if is_pair.any():
                sizes = np.ones(len(codes), np.int32)
                sizes[:-1][is_pair[1:]] = 0
                ways.append((LINE_ENDS, _sum_before(sizes)))
            if (is_line_feed & ~after_carriage).any():
                ways.append((LINE_ENDS, _sum_before(1 + (is_line_feed & ~after_carriage))))
        if _BLANK_RUN.search(self._context):
            sizes = 1 - self._repeated_blank.astype(np.int32)
            sizes[: self._blanks_in_front] = 0
            ways.append((SPACES, _sum_before(sizes)))
        return ways

    @functools.cached_property
    def _in_nfc(self) -> Offsets | None:
        """Number of NFD characters before each NFC character; None if the context is NFC."""
        if unicodedata.is_normalized("NFC", self._context):
            return None
        return OffsetCounts(unicodedata.normalize("NFC", self._context)).nfd_before


def _sum_before(sizes: npt.NDArray[Any]) -> Offsets:
    """Returns the sum of the sizes before each character, and before the end."""
    before = np.zeros(len(sizes) + 1, np.int32)
    np.cumsum(sizes, dtype=np.int32, out=before[1:])
    return before


def find_last(before: Offsets, offset: int) -> int | None:
    """Returns the last character with this sum before it; None if no character has it."""
    if not 0 <= offset <= before[-1]:
        return None
    # With a number of another type, NumPy would copy all sums.
    place = int(before.searchsorted(np.int32(offset), side="right")) - 1
    return place if before[place] == offset else None


def find_first(before: Offsets, offset: int) -> int | None:
    """Returns the first character with this sum before it; None if no character has it."""
    if not 0 <= offset <= before[-1]:
        return None
    place = int(before.searchsorted(np.int32(offset), side="left"))
    return place if before[place] == offset else None


def _nfd_sizes(codes: npt.NDArray[np.uint32]) -> npt.NDArray[np.int32]:
    """Returns how many characters NFD makes of each character."""
    sizes = np.ones(len(codes), np.int32)
    beyond = codes > 0x7F
    if beyond.any():
        different, number = np.unique(codes[beyond], return_inverse=True)
        of_each = [len(unicodedata.normalize("NFD", chr(code))) for code in different]
        sizes[beyond] = np.array(of_each, np.int32)[number]
    return sizes
