"""What a passage is: a few sentences of one document, which know where they stand."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Passage:
    """Some consecutive sentences of a document.

    `text` is what a reader reads and what an answer is a span of. It equals
    `document_text[start_char:end_char]`, where the text of a document is that of all its pages.
    """

    id: str
    """Digest of the document's name, the place and the text; equal passages have equal ids."""
    document: str
    """The document as its user knows it: its path relative to what was given, with `/`."""
    page: int
    """The page on which the passage begins, from 1. Documents without pages have one page."""
    section: str
    """The heading that the passage stands under; "" if there is none."""
    start_char: int
    """Its first character in the text of the document."""
    end_char: int
    """The character after it."""
    text: str
    page_breaks: tuple[int, ...] = ()
    """Where further pages begin: characters of `text`, in their order."""

    def page_at(self, place: int) -> int:
        """Returns the page of a character of `text`, from 1."""
        return self.page + sum(start <= place for start in self.page_breaks)
