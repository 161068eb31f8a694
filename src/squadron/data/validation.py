"""Validates examples: checks every answer against its context, then repairs or rejects it.

An answer is repaired only if the repair is unambiguous (`answer_finder`). What is only doubtful is
noted (`doubts`) and stays as it is. Reads and writes no files.
"""

from collections.abc import Iterable
from typing import NamedTuple

from squadron.data import doubts
from squadron.data.answer_finder import AnswerFinder
from squadron.data.question_types import TYPES
from squadron.data.sources import Answer, Example
from squadron.data.validation_report import Report

EMPTY_CONTEXT = "empty context"
HALF_A_PAIR = "half a surrogate pair in the text"
ONE_DROPPED = "one of several answers dropped"
ALL_DROPPED = "answers of an unanswerable question dropped"
GUESSED = "unknown reasoning type, guessed instead"


def validate_examples(examples: Iterable[Example], report: Report) -> list[Example]:
    """Returns the valid examples, some of them repaired; counts repairs, rejections and doubts.

    An example with several answers loses only the answers that can't be repaired. It is rejected if
    no answer is left. Of several examples with one id, the first is kept. Examples with equal
    contexts share one string afterwards.
    """
    judging = _Judging(report)
    return [example for example in examples if judging.accepts(example)]


class _Context(NamedTuple):
    """A context, and whether its examples are valid. Many examples may share a long context."""

    text: str
    number: int
    fault: str
    """Why its examples are rejected, or ""."""


class _Fault(NamedTuple):
    """Why an example is rejected."""

    reason: str
    answer: Answer | None = None
    """The answer that can't be used, if that is the reason."""


class _Judging:
    """Judges the examples of one data set, one after the other."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._seen: set[str] = set()
        self._contexts: dict[str, _Context] = {}
        self._measured_contexts: set[int] = set()
        self._questions = doubts.EarlierQuestions()
        # Examples of one context mostly follow each other.
        self._finder = AnswerFinder("")

    def accepts(self, example: Example) -> bool:
        """Says whether an example is valid, after it was repaired in place, and counts it."""
        report = self._report
        context = self._contexts.get(example.context)
        if context is None:
            number, text = len(self._contexts), example.context
            context = self._contexts[text] = _Context(text, number, _judge_context(text))
        example.context = context.text
        fault = self._judge(example, context)
        if fault:
            report.note(report.rejected, fault.reason, example, fault.answer or "")
            return False
        self._seen.add(example.id)
        report.accepted += 1
        report.unanswerable += not example.answers
        self._note_doubts(example, context)
        return True

    def _judge(self, example: Example, context: _Context) -> _Fault | None:
        """Returns why an example is rejected, or None. Repairs the example in place."""
        report = self._report
        if not example.id:
            return _Fault("no id")
        if example.id in self._seen:
            return _Fault("id used twice")
        if not example.question.strip():
            return _Fault("empty question")
        if context.fault == EMPTY_CONTEXT:
            return _Fault(EMPTY_CONTEXT)
        try:
            for text in (example.id, example.title, example.question, example.reasoning_type):
                text.encode()
        except UnicodeEncodeError:
            return _Fault(HALF_A_PAIR)
        if context.fault:
            return _Fault(context.fault)
        if example.reasoning_type and example.reasoning_type not in TYPES:
            report.note(report.repaired, GUESSED, example)
            example.reasoning_type = ""
        if example.is_impossible:
            if example.answers:
                report.note(report.repaired, ALL_DROPPED, example, example.answers[0])
                example.answers = []
            return None
        if not example.answers:
            return _Fault("no answer and not marked unanswerable")
        return self._judge_answers(example)

    def _judge_answers(self, example: Example) -> _Fault | None:
        """Repairs the answers of an example, and drops those that can't be repaired.

        Returns:
            Why no answer is left, or None.
        """
        report = self._report
        if self._finder.context is not example.context:
            self._finder = AnswerFinder(example.context)
        kept: list[Answer] = []
        fault: _Fault | None = None
        doubtful: Answer | None = None
        for answer in example.answers:
            verdict = self._finder.repair(answer)
            if verdict.fault:
                fault = _Fault(verdict.fault, answer)
                continue
            if verdict.repair:
                report.note(report.repaired, verdict.repair, example, answer)
            elif not doubtful and self._finder.find_other(answer) is not None:
                doubtful = answer
            kept.append(answer)
        if not kept:
            return fault
        if fault:
            report.note(report.repaired, ONE_DROPPED, example, fault.answer or "")
        if doubtful:
            report.note(report.noted, doubts.TWO_PLACES, example, doubtful)
        example.answers = kept
        return None

    def _note_doubts(self, example: Example, context: _Context) -> None:
        """Counts what is doubtful in a valid example, and the lengths of its texts."""
        report, sizes = self._report, self._report.sizes
        if context.number not in self._measured_contexts:
            self._measured_contexts.add(context.number)
            sizes.contexts.append(len(context.text))
            for reason, place in doubts.find_in_context(context.text):
                report.note(report.noted, reason, example, place)
        sizes.questions.append(len(example.question))
        for reason in doubts.find_in_question(example.question):
            report.note(report.noted, reason, example)
        found: dict[str, Answer] = {}
        for answer in example.answers:
            sizes.answers.append(len(answer.text))
            for reason in doubts.find_in_answer(answer, context.text):
                found.setdefault(reason, answer)
        for reason, answer in found.items():
            report.note(report.noted, reason, example, answer)
        repeated = self._questions.compare(example, context.number)
        if repeated:
            report.note(report.noted, repeated.reason, example, repeated.describe())


def _judge_context(context: str) -> str:
    """Returns the reason to reject examples with this context, or ""."""
    if not context.strip():
        return EMPTY_CONTEXT
    try:
        context.encode()
    except UnicodeEncodeError:
        return HALF_A_PAIR
    return ""
