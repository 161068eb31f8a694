"""Answers questions from the index of the server, as rows of `wire.Answer` with citations."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from squadron.answers import explanation
from squadron.answers.options import AnswerOptions
from squadron.serving.answer_rows import Row

if TYPE_CHECKING:
    from squadron.open_domain import DocumentsAnswer, PassageAnswer, Search
    from squadron.reader import Reader


@dataclass(frozen=True)
class AskedIndex:
    """A question whose answer is looked for in the index."""

    question: str
    options: AnswerOptions


def answer_from_index(reader: "Reader", asked: Sequence[AskedIndex], search: "Search") -> list[Row]:
    """Answers questions with equal options; the rows are in the same order.

    Args:
        reader: The model.
        asked: The questions.
        search: Finds passages in the index.
    """
    from squadron.open_domain import answer_questions

    options = asked[0].options
    questions = [each.question for each in asked]
    found = answer_questions(questions, search, reader, options)
    return [_make_row(each, options) for each in found]


def _make_row(found: "DocumentsAnswer", options: AnswerOptions) -> Row:
    """Returns the answer to one question. Its characters count in the text of the document."""
    chosen = found.best or found.guess
    row: Row = {
        "text": "",
        "start_char": -1,
        "end_char": -1,
        "score": None,
        "probability": None,
        "answered": found.best is not None,
        "no_answer": found.best is None,
        "best_text": "",
        "context": -1,
        "alternatives": [
            _describe_alternative(each, found) for each in found.alternatives[: options.top_k - 1]
        ],
        "reasoning_type": None,
        "reasoning_probability": None,
        "evidence": None,
    }
    if chosen:
        reading = chosen.reading
        row |= {
            "score": reading.score if reading.best_text else None,
            "probability": reading.probability,
            "best_text": reading.best_text,
            "context": found.read.index(chosen),
            "reasoning_type": reading.reasoning_type,
            "reasoning_probability": reading.reasoning_probability,
        }
    if found.best:
        row |= {"text": found.best.reading.text, **_find_span(found.best)}
        row["evidence"] = _cite(found.best)
    if options.explain:
        row["windows"] = [
            {"context": number, **window}
            for number, each in enumerate(found.read)
            for window in explanation.as_rows(
                each.reading.windows or (), each.found.passage.start_char
            )
        ]
    return row


def _find_span(given: "PassageAnswer") -> dict[str, int]:
    """Returns where an answer is in the text of its document."""
    base = given.found.passage.start_char
    return {
        "start_char": base + given.reading.start_char,
        "end_char": base + given.reading.end_char,
    }


def _describe_alternative(given: "PassageAnswer", found: "DocumentsAnswer") -> Row:
    return {
        "text": given.reading.text,
        **_find_span(given),
        "score": given.reading.score,
        "probability": given.reading.probability,
        "context": found.read.index(given),
        "citation": _cite(given),
    }


def _cite(given: "PassageAnswer") -> Row | None:
    """Returns the sentence with an answer, and the document, page and section that hold it."""
    citation = given.citation
    if citation is None:
        return None
    reading, base = given.reading, given.found.passage.start_char
    start = base + reading.start_char - citation.start_char
    return {
        "text": citation.sentence,
        "start_char": start,
        "end_char": start + len(citation.sentence),
        "document": citation.document,
        "page": citation.page,
        "section": citation.section,
    }
