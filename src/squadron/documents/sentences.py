"""Finds the sentences of a text."""

import re
from collections.abc import Iterator

MIN_LABEL = 30
"""A shorter piece without a full stop is a label, a list item or a caption: no sentence alone."""
MAX_BLOCK = 50_000
"""Maximum number of characters that are given to the splitter at once."""

_UNIT_END = re.compile(
    r"(?:\d\s?(?:[kcmµn]?m|[kmµ]?g|[kM]?[WVJ]|s|h|min|l|ha|°C|°F)|/(?:s|m|h|km|min|l|m²|m³))\."
    r"\s+(?=[A-Z])"
)
"""A unit before a full stop, which the splitter takes for an abbreviation ("350 m. The")."""
_BLOCK_END = re.compile(r"\n[^\S\n]*\n\s*")
_END = re.compile(r"[.!?…。！？][\"'”’)\]]*$")

Range = tuple[int, int]


def find_sentences(text: str, start: int, end: int, language: str, most: int) -> list[Range]:
    """Returns the sentences of a part of a text, in order and without the blanks around them.

    All characters but blanks are in exactly one sentence. A sentence crosses an empty line only
    after a short label ("Values:"), which is joined with what follows, or before the last one. A
    longer sentence than `most`, such as a table, is cut at a line end or at a blank.

    Args:
        text: The whole text.
        start: Where the part begins.
        end: Where it ends (exclusive).
        language: Two letters such as "en", which choose the abbreviations that end no sentence.
        most: Maximum number of characters of a sentence, at least 1.
    """
    sentences: list[Range] = []
    label: int | None = None
    for first, last in _find_pieces(text, start, end, language, most):
        begin = first
        if label is not None and last - label <= most:
            begin = label
        elif label is not None:
            sentences.append(_strip(text, label, first))
        is_label = last - begin < MIN_LABEL and not _END.search(text[begin:last])
        label = begin if is_label else None
        if not is_label:
            sentences.append((begin, last))
    if label is None:
        return sentences
    # The last label has nothing after it.
    rest = _strip(text, label, end)
    if sentences and rest[1] - sentences[-1][0] <= most:
        return [*sentences[:-1], (sentences[-1][0], rest[1])]
    return [*sentences, rest]


def _find_pieces(text: str, start: int, end: int, language: str, most: int) -> Iterator[Range]:
    """Yields what the splitter takes for sentences, stripped, and cut where they are too long."""
    # Most of what imports this module cuts no sentence.
    from sentencex import segment

    for block_start, block_end in _find_blocks(text, start, end):
        place = block_start
        for piece in segment(language, text[block_start:block_end]):
            piece_end = min(place + len(piece), block_end)
            for match in _UNIT_END.finditer(text, place, piece_end):
                yield from _cut(text, place, match.end(), most)
                place = match.end()
            yield from _cut(text, place, piece_end, most)
            place = piece_end
        # The splitter loses no characters; if it ever does, they must not be lost here.
        yield from _cut(text, place, block_end, most)


def _find_blocks(text: str, start: int, end: int) -> Iterator[Range]:
    place = start
    for match in _BLOCK_END.finditer(text, start, end):
        yield from _cut(text, place, match.start(), MAX_BLOCK)
        place = match.end()
    yield from _cut(text, place, end, MAX_BLOCK)


def _cut(text: str, start: int, end: int, most: int) -> Iterator[Range]:
    """Yields parts of at most so many characters, cut at a line end, else at a blank."""
    start, end = _strip(text, start, end)
    while end - start > most:
        cut = text.rfind("\n", start + most // 2, start + most)
        if cut < 0:
            window = text[start : start + most + 1]
            cut = start + max((n for n, char in enumerate(window) if char.isspace()), default=most)
        yield from _keep(_strip(text, start, cut))
        start, end = _strip(text, cut, end)
    yield from _keep((start, end))


def _keep(part: Range) -> Iterator[Range]:
    if part[1] > part[0]:
        yield part


def _strip(text: str, start: int, end: int) -> Range:
    """Returns the range without the blanks at its ends."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return start, end
