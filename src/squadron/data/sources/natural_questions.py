"""Reads simplified Natural Questions: JSON lines with `document_text` and answers by tokens.

The context is the text of the page without its HTML tags, which are tokens of their own. Short
answers become spans of characters. Each short answer is an accepted answer, also where an annotator
gave several as a list. Without any answer, a question is unanswerable. A question that is answered
only with yes or no, or with a long answer, is rejected by validation, because no span answers it:
about one question in seven of the training file, so raise `data.max_rejected_share`.

The layout is that of `simplify_nq_example` in google-research-datasets/natural-questions
(data_utils.py): tokens are separated by one blank, and `end_token` is exclusive. Files with
`document_html` and `document_tokens` are not read; simplify them with that function first.

Source: Kwiatkowski et al. 2019 (Natural Questions: a Benchmark for Question Answering Research).
"""

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from squadron.data.sources import Example
from squadron.data.sources._documents import Document, has_fields, read_documents
from squadron.data.sources._faults import Faults
from squadron.data.sources._fields import get_field, is_object
from squadron.data.sources._records import make_title

SETTINGS = "data.source: natural_questions"
# Blanks inside of tags are "_" in simplified files: <Th_colspan="2">.
_TAG = re.compile(r"</?[A-Z][A-Za-z0-9]*(?:_[^<>]*)?>")


def read_examples(path: Path) -> Iterator[Example]:
    """Yields all questions of the file, in file order.

    Raises:
        InputError: If the file can't be read or a record lacks a field. The message names the file
            and all kinds of faults, each with its first line and field.
    """
    yield from read_documents(path, "simplified Natural Questions", _read_record)


def recognizes(path: Path) -> bool:
    """Says whether the first line of a file is a simplified record."""
    return has_fields(path, "document_text", "question_text", "annotations")


def _read_record(record: dict[str, Any], where: str, faults: Faults) -> Document:
    tokens = get_field(record, "document_text", str, where, faults).split(" ")
    context, places = _join_words(tokens)
    document = Document(_find_title(record, where, faults) or make_title(context), context)
    for n, annotation in enumerate(get_field(record, "annotations", list, where, faults)):
        place = f"{where}.annotations[{n}]"
        if not is_object(annotation, "short_answers", place, faults):
            continue
        for m, span in enumerate(get_field(annotation, "short_answers", list, place, faults)):
            spot = f"{place}.short_answers[{m}]"
            if is_object(span, "start_token", spot, faults):
                start = get_field(span, "start_token", int, spot, faults)
                end = get_field(span, "end_token", int, spot, faults)
                document.spans.append(_find_span(places, start, end))
        long_answer = annotation.get("long_answer")
        if isinstance(long_answer, dict):
            first = long_answer.get("start_token", -1)
            document.has_other_answer |= isinstance(first, int) and first >= 0
        document.has_other_answer |= annotation.get("yes_no_answer", "NONE") in ("YES", "NO")
    return document


def _join_words(tokens: list[str]) -> tuple[str, list[tuple[int, int]]]:
    """Returns the text without tags, and [start, end) of each token; start = end for a tag."""
    words: list[str] = []
    places = []
    length = 0
    for token in tokens:
        if _TAG.fullmatch(token):
            places.append((length, length))
            continue
        places.append((length, length + len(token)))
        words.append(token)
        length += len(token) + 1
    return " ".join(words), places


def _find_span(places: list[tuple[int, int]], start: int, end: int) -> tuple[int, int]:
    """Returns the characters from the first to the last word of some tokens."""
    if not 0 <= start < end <= len(places):
        return 0, 0
    words = [place for place in places[start:end] if place[0] < place[1]]
    return (words[0][0], words[-1][1]) if words else (0, 0)


def _find_title(record: dict[str, Any], where: str, faults: Faults) -> str:
    """Returns the title of the page, which its address names; "" without one."""
    if record.get("document_title") is not None:
        return get_field(record, "document_title", str, where, faults)
    if record.get("document_url") is None:
        return ""
    address = html.unescape(get_field(record, "document_url", str, where, faults))
    try:
        parts = urlsplit(address)
        named = parse_qs(parts.query).get("title", [unquote(parts.path.rpartition("/")[2])])
    except ValueError:  # no address
        return address
    return named[0].replace("_", " ")
