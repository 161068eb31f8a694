"""Reads TyDi QA, the primary tasks: JSON lines with `document_plaintext` and answers by bytes.

The context is the whole article. Minimal answers are spans of its UTF-8 bytes and become spans of
characters. Without any answer, a question is unanswerable. A question that is answered only with
yes or no, or with a passage, is rejected by validation, because no span answers it: raise
`data.max_rejected_share`.

The files of the gold passage task (tydiqa-goldp-v1.1-train.json) are SQuAD v1.1 with places in
characters: read them with `data.source: squad`.

The layout is that of google-research-datasets/tydiqa (baseline/data.py and
small_gold_annotation.jsonl).

Source: Clark et al. 2020 (TyDi QA: A Benchmark for Information-Seeking Question Answering in
Typologically Diverse Languages).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from squadron.data.sources import Example
from squadron.data.sources._documents import Document, has_fields, read_documents
from squadron.data.sources._faults import Faults
from squadron.data.sources._fields import get_field, is_object
from squadron.data.sources._records import make_title

SETTINGS = "data.source: tydiqa"


def read_examples(path: Path) -> Iterator[Example]:
    """Yields all questions of the file, in file order.

    Raises:
        InputError: If the file can't be read or a record lacks a field. The message names the file
            and all kinds of faults, each with its first line and field.
    """
    yield from read_documents(path, "TyDi QA", _read_record)


def recognizes(path: Path) -> bool:
    """Says whether the first line of a file is a record of the primary tasks."""
    return has_fields(path, "document_plaintext", "question_text", "annotations")


def _read_record(record: dict[str, Any], where: str, faults: Faults) -> Document:
    context = get_field(record, "document_plaintext", str, where, faults)
    # Half a surrogate pair is no UTF-8; validation rejects it. It counts as three bytes.
    content = context.encode(errors="surrogatepass")
    title = ""
    if record.get("document_title") is not None:
        title = get_field(record, "document_title", str, where, faults)
    document = Document(title or make_title(context), context)
    for n, annotation in enumerate(get_field(record, "annotations", list, where, faults)):
        place = f"{where}.annotations[{n}]"
        if not is_object(annotation, "minimal_answer", place, faults):
            continue
        span = get_field(annotation, "minimal_answer", dict, place, faults)
        spot = f"{place}.minimal_answer"
        start = get_field(span, "plaintext_start_byte", int, spot, faults)
        end = get_field(span, "plaintext_end_byte", int, spot, faults)
        if start >= 0 or end >= 0:
            document.spans.append(_find_span(content, start, end))
        passage = annotation.get("passage_answer")
        if isinstance(passage, dict):
            number = passage.get("candidate_index", -1)
            document.has_other_answer |= isinstance(number, int) and number >= 0
        document.has_other_answer |= annotation.get("yes_no_answer", "NONE") in ("YES", "NO")
    return document


def _find_span(content: bytes, start: int, end: int) -> tuple[int, int]:
    """Returns the characters of a span of bytes; (0, 0) if it cuts a character or is outside."""
    if not 0 <= start < end <= len(content):
        return 0, 0
    try:
        before = content[:start].decode(errors="surrogatepass")
        inside = content[start:end].decode(errors="surrogatepass")
    except UnicodeDecodeError:
        return 0, 0
    return len(before), len(before) + len(inside)
