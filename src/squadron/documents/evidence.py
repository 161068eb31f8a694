"""Finds the sentence of a text that holds an answer."""

from dataclasses import dataclass

from squadron.documents.cutting import CutSettings
from squadron.documents.sentences import find_sentences

NEAR = 5_000
"""Number of characters on each side of an answer in which its sentences are looked for. To cut a
text of a million characters into sentences takes a quarter of a second."""


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
        start: The first character of the answer; no blank, as in all answers of a model.
        end: The character after the answer.
    """
    first, last = max(0, start - NEAR), min(len(context), end + NEAR)
    settings = CutSettings()
    sentences = find_sentences(context, first, last, settings.language, settings.max_sentence_chars)
    for sentence_start, sentence_end in sentences:
        if sentence_start <= start:
            first = sentence_start
        if sentence_end >= end:
            last = sentence_end
            break
    return Evidence(context[first:last], first, last)
