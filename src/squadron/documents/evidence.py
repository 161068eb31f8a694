"""Finds the sentence of a text that holds an answer."""

from dataclasses import dataclass

from squadron.documents.cutting import CutSettings
from squadron.documents.sentences import find_sentences

NEAR = 5_000
"""Number of characters on each side of an answer in which its sentences are looked for. A longer
text is not cut into sentences as a whole, which would take longer than to read it."""


@dataclass(frozen=True)
class Evidence:
    """The sentence with an answer; several, if the answer goes over a sentence's end."""

    text: str
    """Without the blanks around it."""
    start_char: int
    """Its first character in the context."""
    end_char: int
    """The character after it."""


def find_evidence(context: str, start: int, end: int) -> Evidence:
    """Returns the sentence or sentences of a context that hold an answer.

    Args:
        context: The context.
        start: The first character of the answer.
        end: The character after the answer.
    """
    first, last = _find_part(context, start, end)
    settings = CutSettings()
    sentences = find_sentences(context, first, last, settings.language, settings.max_sentence_chars)
    for sentence_start, sentence_end in sentences:
        if sentence_start <= start:
            first = sentence_start
        if sentence_end >= end:
            last = sentence_end
            break
    text = context[first:last]
    first += len(text) - len(text.lstrip())
    return Evidence(text.strip(), first, first + len(text.strip()))


def _find_part(context: str, start: int, end: int) -> tuple[int, int]:
    """Returns a part of a context around an answer, which begins and ends at a line end or blank.

    It is the whole context unless that is much longer than NEAR.
    """
    first, last = max(0, start - NEAR), min(len(context), end + NEAR)
    if first:
        first = _find_break(context, first, start)
    if last < len(context):
        last = _find_break(context, last, min(len(context), last + NEAR))
    return first, last


def _find_break(context: str, first: int, last: int) -> int:
    """Returns the place of the first line end between two places, else of the first blank."""
    for mark in ("\n", " "):
        place = context.find(mark, first, last)
        if place >= 0:
            return place
    return first
