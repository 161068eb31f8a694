"""Reads questions with all their contexts, and turns what was found into rows of `wire.Answer`."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from squadron.answers import explanation
from squadron.answers.alternatives import Alternative
from squadron.answers.options import AS_EVALUATED, AnswerOptions
from squadron.documents.evidence import find_evidence
from squadron.reader import Reader, Reading
from squadron.serving.wire import FieldError, Question

Row = dict[str, object]
"""The JSON object of a `wire.Answer`."""


@dataclass(frozen=True)
class Asked:
    """A question, where its answer may be, and how to answer."""

    question: str
    contexts: tuple[str, ...]
    """At least one."""
    options: AnswerOptions = AS_EVALUATED


def ask(question: Question, options: AnswerOptions, own_context: str, place: str = "") -> Asked:
    """Returns a question of a request with its contexts.

    Args:
        question: The question.
        options: How to answer it.
        own_context: The text that the model keeps; "" if it keeps none.
        place: Where the question is in the request, for the error.

    Raises:
        FieldError: If the question has no context, and the model keeps none.
    """
    if question.contexts is not None:
        return Asked(question.question, tuple(question.contexts), options)
    if question.context is None and not own_context:
        field = f"{place}.context" if place else "context"
        raise FieldError(field, "is missing; give the text to look for the answer in")
    context = own_context if question.context is None else question.context
    return Asked(question.question, (context,), options)


def answer(reader: Reader, asked: Sequence[Asked]) -> list[Row]:
    """Answers questions; the rows are in the same order.

    Args:
        reader: The model.
        asked: The questions. They may come from several requests.
    """
    pairs = [(each.question, context) for each in asked for context in each.contexts]
    options = [each.options for each in asked for _ in each.contexts]
    readings = iter(reader.read(pairs, options))
    return [make_row(each, [next(readings) for _ in each.contexts]) for each in asked]


def choose_context(readings: Sequence[Reading]) -> int:
    """Returns the number of the context that gives the best answer.

    It is the one with the highest probability, or the highest score if the model has no
    calibration. A context that answers has a higher score than one that does not.

    Args:
        readings: What the reader found in each context; at least one.
    """
    return max(range(len(readings)), key=lambda number: _order(_best_of(readings[number])))


def make_row(asked: Asked, readings: Sequence[Reading]) -> Row:
    """Returns the answer to one question.

    Args:
        asked: The question.
        readings: What the reader found in each of its contexts.
    """
    number = choose_context(readings)
    reading = readings[number]
    evidence = None
    if reading.answered:
        span = reading.start_char, reading.end_char
        evidence = asdict(find_evidence(asked.contexts[number], *span))
    row: Row = {
        "text": reading.text,
        "start_char": reading.start_char,
        "end_char": reading.end_char,
        "score": reading.score if reading.best_text else None,
        "probability": reading.probability,
        "answered": reading.answered,
        "no_answer": not reading.answered,
        "best_text": reading.best_text,
        "context": number,
        "alternatives": _list_alternatives(readings, reading.best_text, asked.options.top_k - 1),
        "reasoning_type": reading.reasoning_type,
        "reasoning_probability": reading.reasoning_probability,
        "evidence": evidence,
    }
    if asked.options.explain:
        row["windows"] = [
            {"context": place, **window}
            for place, each in enumerate(readings)
            for window in explanation.as_rows(each.windows or ())
        ]
    return row


def _best_of(reading: Reading) -> Alternative:
    """Returns the best span of a context; without a text if there is none."""
    span = reading.best_start_char, reading.best_end_char
    return Alternative(reading.best_text, *span, reading.score, reading.probability)


def _order(span: Alternative) -> tuple[float, float]:
    """Returns what sorts the better of two spans last."""
    return span.probability or 0.0, span.score


def _list_alternatives(readings: Sequence[Reading], best_text: str, most: int) -> list[Row]:
    """Returns the best spans of all contexts, each with another text than the answer."""
    if not most:
        return []
    found = [
        (span, number)
        for number, reading in enumerate(readings)
        for span in (_best_of(reading), *reading.alternatives)
        if span.text
    ]
    found.sort(key=lambda each: _order(each[0]), reverse=True)
    different: dict[str, tuple[Alternative, int]] = {}
    for span, number in found:
        different.setdefault(span.text.casefold(), (span, number))
    different.pop(best_text.casefold(), None)
    kept = list(different.values())[:most]
    return [{**asdict(span), "context": number} for span, number in kept]
