"""Reads the text of a PDF. Runs in the process that squadron.documents.worker starts."""

from collections.abc import Callable
from pathlib import Path

import pypdfium2 as pdfium
from pypdfium2 import raw

from squadron.documents.furniture import remove_furniture
from squadron.documents.layout import Line, read_lines
from squadron.documents.limits import Limits
from squadron.documents.paragraphs import TextBuilder, build_text
from squadron.documents.words import Word, read_words
from squadron.errors import InputError

MAX_TITLES = 20_000
"""Maximum number of entries of an outline that are read."""


def read_pdf(
    path: Path, name: str, limits: Limits, report: Callable[[int], None]
) -> tuple[TextBuilder, list[str]]:
    """Returns the text of a PDF, and one sentence for every page that is left out.

    Args:
        path: The file.
        name: The file as messages call it.
        limits: Its max_pages and max_characters are checked here.
        report: Is called with the number of a page, from 1, before work on that page begins.

    Raises:
        InputError: If the file is damaged, encrypted, has too many pages or no text at all.
    """
    document = _open(path, name)
    try:
        count = len(document)
        if count > limits.max_pages:
            raise InputError(
                f"{name} has {count:,} pages, and at most {limits.max_pages:,} are read: split it, "
                "or raise max_pages"
            )
        pages, notes = _read_pages(document, name, limits, report)
        titles = _read_titles(document, count)
    finally:
        document.close()
    if not any(pages):
        raise InputError(
            f"{name} has no text on any of its {count} pages; it may be scanned: run a program for "
            "text recognition (OCR) on it first, such as ocrmypdf"
        )
    lines: list[list[Line]] = []
    for number, words in enumerate(remove_furniture(pages), 1):
        report(number)
        lines.append(read_lines(words))
    return build_text(lines, titles), notes


def _open(path: Path, name: str) -> pdfium.PdfDocument:
    try:
        document = pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        if getattr(error, "err_code", None) == raw.FPDF_ERR_PASSWORD:
            raise InputError(
                f"{name} is encrypted, and only its password opens it: save a copy without password"
            ) from None
        raise InputError(
            f"{name} is damaged or no PDF: open it in another program and save it again"
        ) from None
    if len(document) < 1:
        document.close()
        raise InputError(f"{name} has no pages: open it in another program and save it again")
    return document


def _read_pages(
    document: pdfium.PdfDocument, name: str, limits: Limits, report: Callable[[int], None]
) -> tuple[list[list[Word]], list[str]]:
    pages: list[list[Word]] = []
    notes = []
    empty = []
    length = 0
    for number in range(1, len(document) + 1):
        report(number)
        try:
            page = document[number - 1]
        except pdfium.PdfiumError:
            notes.append(f"page {number} of {name} is damaged and was left out")
            pages.append([])
            continue
        try:
            words = read_words(page)
            if not words and _has_image(page):
                empty.append(number)
        except pdfium.PdfiumError:
            notes.append(f"the text of page {number} of {name} is damaged and was left out")
            words = []
        finally:
            page.close()
        pages.append(words)
        length += sum(len(word.text) + 1 for word in words)
        if length > limits.max_characters:
            raise InputError(
                f"{name} has more than {limits.max_characters:,} characters up to page {number}: "
                "split it, or raise max_characters"
            )
    if empty:
        some = ", ".join(map(str, empty[:10])) + (" and others" if len(empty) > 10 else "")
        notes.append(f"{name} has images without text on page {some}: text recognition may help")
    return pages, notes


def _has_image(page: pdfium.PdfPage) -> bool:
    return any(True for _ in page.get_objects(filter=[raw.FPDF_PAGEOBJ_IMAGE], max_depth=3))


def _read_titles(document: pdfium.PdfDocument, count: int) -> list[set[str]]:
    """Returns for every page the titles of the outline (the bookmarks) that point there."""
    titles: list[set[str]] = [set() for _ in range(count)]
    try:
        for place, entry in enumerate(document.get_toc()):
            target = entry.get_dest()
            index = target.get_index() if target else None
            if index is not None and 0 <= index < count:
                titles[index].add(entry.get_title())
            if place > MAX_TITLES:
                break
    except (pdfium.PdfiumError, UnicodeError):
        pass  # Without an outline, headings are known by their size.
    return titles
