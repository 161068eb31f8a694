"""What a document is after it was read: its text, and where its pages and sections begin."""

from bisect import bisect_right
from dataclasses import dataclass


@dataclass(frozen=True)
class Section:
    """A heading and the text below it, up to the next heading of any level."""

    title: str
    start_char: int
    """Where the heading begins in the text."""
    body_char: int
    """Where the text below it begins. The heading is text[start_char:body_char] and blanks."""


@dataclass(frozen=True)
class Document:
    """The text of a file. Characters are counted from 0, and ranges are half-open."""

    name: str
    """The file as its user knows it: its path relative to what was given, with `/`."""
    text: str
    """Paragraphs, separated by an empty line. Items of a list and rows of a table are lines."""
    pages: tuple[tuple[int, int], ...]
    """The range of every page in the text, in order and without gaps. At least one page."""
    sections: tuple[Section, ...] = ()
    """In the order of the text. What stands before the first one is in no section."""
    notes: tuple[str, ...] = ()
    """One sentence for everything that was left out, such as a page without text."""

    def page_at(self, char: int) -> int:
        """Returns the number of the page, from 1, on which a character of the text stands."""
        starts = [start for start, _ in self.pages]
        return max(1, bisect_right(starts, char))


@dataclass(frozen=True)
class Refusal:
    """A file that was not read."""

    name: str
    """The file as its user knows it."""
    reason: str
    """One or two sentences with the file, what is wrong with it and what to do."""
    is_skipped: bool = False
    """Whether the file was left out because of its kind, which is no mistake in a folder."""
