"""Finds what is doubtful in a valid example. A doubt is counted, and the example stays as it is.

Owns the kinds of doubts. Contexts, questions and answers are looked at; duplicates and
contradictions are found by comparing each question with the earlier ones about its context.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from squadron.data.folding import fold_text
from squadron.data.sources import Answer, Example

CONTEXT_CHARS = 100_000
"""A longer context makes hundreds of windows for each question."""
QUESTION_CHARS = 400
"""A longer question is cut by the default of `windows.max_question_length`, 64 tokens."""
ANSWER_CHARS = 500
"""A longer answer has more than 100 tokens; the default of `predict.max_answer_tokens` is 30."""

ANSWERS_COMPARED = 20
"""Answers of a repeated question that are compared, so that time stays linear."""
SHOWN_CHARS = 60
"""Characters that a repeated question shows of an answer."""

CONTROL = "control characters"
INVISIBLE = "invisible characters (byte order mark, zero width, direction)"
LOST = "characters lost in decoding (U+FFFD)"
LONG_CONTEXT = f"context longer than {CONTEXT_CHARS:,} characters"
LONG_QUESTION = f"question longer than {QUESTION_CHARS} characters"
LONG_ANSWER = f"answer longer than {ANSWER_CHARS} characters"
CUT_WORD = "answer begins or ends inside a word"
TWO_PLACES = "answer also stands where its start points if counted in another way"
REPEATED = "question repeated under another id"
CONTRADICTED = "question repeated under another id with another answer"
HALF_ANSWERED = "question repeated under another id, once without an answer"

# Tabs and line ends are no faults. Joiners and marks of direction that languages need are neither.
_SIGNS = re.compile(
    "(?P<control>[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f])"
    "|(?P<invisible>[\u00ad\u200b\u202a-\u202e\u2060\u2066-\u2069\ufeff])"
    "|(?P<lost>\ufffd)"
)
_KIND = {"control": CONTROL, "invisible": INVISIBLE, "lost": LOST}


def find_in_context(context: str) -> Iterator[tuple[str, Answer | str]]:
    """Yields each kind of doubt about a context, with the first place that shows it or a text."""
    if len(context) > CONTEXT_CHARS:
        yield LONG_CONTEXT, f"{len(context):,} characters: {context[:SHOWN_CHARS]}…"
    for kind, sign in _find_signs(context):
        yield f"context has {kind}", sign


def find_in_question(question: str) -> Iterator[str]:
    """Yields each kind of doubt about a question."""
    if len(question) > QUESTION_CHARS:
        yield LONG_QUESTION
    for kind, _ in _find_signs(question):
        yield f"question has {kind}"


def find_in_answer(answer: Answer, context: str) -> Iterator[str]:
    """Yields each kind of doubt about an answer that stands where it says."""
    if len(answer.text) > ANSWER_CHARS:
        yield LONG_ANSWER
    end = answer.start_char + len(answer.text)
    if _is_inside_word(context, answer.start_char) or _is_inside_word(context, end):
        yield CUT_WORD


class Repeated(NamedTuple):
    """A question that stands under two ids."""

    first: Example
    again: Example

    @property
    def reason(self) -> str:
        """How the second question repeats the first."""
        if bool(self.first.answers) != bool(self.again.answers):
            return HALF_ANSWERED
        first, again = (each.answers[:ANSWERS_COMPARED] for each in self)
        pairs = [(one, other) for one in first for other in again]
        is_shared = not pairs or any(_share_text(*pair) for pair in pairs)
        return REPEATED if is_shared else CONTRADICTED

    def describe(self) -> str:
        """Returns the question, and the first answer and the id of each."""
        question, first, again = self.again.question.strip(), *map(_describe_answer, self)
        return f"{question} [{again}]; question {self.first.id}: [{first}]"


class EarlierQuestions:
    """The questions so far, to find repeated ones. Spelling is compared as in `fold_text`."""

    def __init__(self) -> None:
        self._first: dict[tuple[int, str], Example] = {}

    def compare(self, example: Example, context: int) -> Repeated | None:
        """Adds a question, and returns what it repeats.

        Args:
            example: The valid example.
            context: The number of its context.

        Returns:
            The first question with these words about this context, and this one; None if this is
            the first.
        """
        first = self._first.setdefault((context, fold_text(example.question)), example)
        return None if first is example else Repeated(first, example)


def _share_text(one: Answer, other: Answer) -> bool:
    """Says whether two answers of one context overlap, or have the same words elsewhere."""
    overlap = min(one.start_char + len(one.text), other.start_char + len(other.text)) - max(
        one.start_char, other.start_char
    )
    return overlap > 0 or fold_text(one.text) == fold_text(other.text)


def _describe_answer(example: Example) -> str:
    if not example.answers:
        return "no answer"
    text = example.answers[0].text
    return text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 1]}…"


def _find_signs(text: str) -> Iterator[tuple[str, Answer]]:
    """Yields each kind of doubtful character in a text, with the first one."""
    if text.isprintable():
        # Only U+FFFD is both printable and doubtful.
        place = text.find("\ufffd")
        if place >= 0:
            yield LOST, Answer("\ufffd", place)
        return
    seen = set()
    for match in _SIGNS.finditer(text):
        kind = _KIND[str(match.lastgroup)]
        if kind not in seen:
            seen.add(kind)
            yield kind, Answer(match.group(), match.start())


def _is_inside_word(text: str, place: int) -> bool:
    """Says whether a place is between two letters or two digits.

    Letters without upper and lower case do not count, because such scripts may write no spaces.
    """
    if not 0 < place < len(text):
        return False
    before, after = text[place - 1], text[place]
    if before.isdigit() or after.isdigit():
        return before.isdigit() and after.isdigit()
    return _has_case(before) and _has_case(after)


def _has_case(char: str) -> bool:
    return char.islower() or char.isupper()
