"""Cuts documents into passages."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from squadron.documents.document import Document
from squadron.documents.passages import Passage
from squadron.documents.sentences import find_sentences


@dataclass(frozen=True)
class CutSettings:
    """How a document is cut into passages."""

    sentences: int = 5
    """Maximum number of sentences of a passage, at least 1."""
    overlap: int = 1
    """How many sentences a passage shares with the one before it; less than `sentences`."""
    max_sentence_chars: int = 600
    """A longer sentence, such as a table, is cut at a line end or at a blank. At least 50."""
    language: str = "en"
    """Two letters that choose the abbreviations that end no sentence."""

    def __post_init__(self) -> None:
        """Raises ValueError if a setting is out of its range."""
        if self.sentences < 1:
            raise ValueError(f"documents -> sentences is {self.sentences}; it must be at least 1")
        if not 0 <= self.overlap < self.sentences:
            raise ValueError(
                f"documents -> overlap is {self.overlap}; it must be from 0 to "
                f"{self.sentences - 1}, less than sentences"
            )
        if self.max_sentence_chars < 50:
            raise ValueError(
                f"documents -> max_sentence_chars is {self.max_sentence_chars}; "
                "it must be at least 50"
            )


def cut_passages(document: Document, settings: CutSettings | None = None) -> list[Passage]:
    """Returns the passages of a document in the order of its text.

    Together they hold all of the text but headings and blanks. A passage never crosses a heading,
    and `document.text[passage.start_char:passage.end_char] == passage.text`.
    """
    settings = settings or CutSettings()
    step = settings.sentences - settings.overlap
    passages = []
    for title, start, end in _list_bodies(document):
        found = find_sentences(
            document.text, start, end, settings.language, settings.max_sentence_chars
        )
        # The last sentences need no passage that the one before it holds whole.
        for first in range(0, max(len(found) - settings.overlap, min(len(found), 1)), step):
            last = min(first + settings.sentences, len(found)) - 1
            passages.append(_make_passage(document, title, found[first][0], found[last][1]))
    return passages


def _list_bodies(document: Document) -> Iterator[tuple[str, int, int]]:
    """Yields (heading, start, end) of the text between headings."""
    starts = [section.start_char for section in document.sections]
    ends = [*starts, len(document.text)]
    yield "", 0, ends[0]
    for section, end in zip(document.sections, ends[1:], strict=True):
        yield section.title, section.body_char, end


def _make_passage(document: Document, section: str, start: int, end: int) -> Passage:
    text = document.text[start:end]
    identity = "\0".join((document.name, str(start), text)).encode()
    digest = hashlib.blake2b(identity, digest_size=16).hexdigest()
    breaks = tuple(page - start for page, _ in document.pages if start < page < end)
    page = document.page_at(start)
    return Passage(digest, document.name, page, section, start, end, text, breaks)
