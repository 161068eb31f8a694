"""Answers questions from documents: passages that a search found are read, the best answer wins.

Every passage is read by itself, as in evaluation. The passage with the highest product of two
numbers gives the answer: the reader's probability that its span is right, and a power of the
search's score. By the first alone, a reader that learned from fitting passages takes a wrong one
too often (docs/decisions/open-domain.md). This is the retriever-reader of Chen et al. 2017
(arXiv:1704.00051), with a log-linear choice of the passage.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from squadron.answers.options import AS_EVALUATED, AnswerOptions
from squadron.documents.evidence import find_evidence
from squadron.documents.passages import Passage
from squadron.reader import Kind, Reader, Reading, find_kind
from squadron.retrieval import HYBRID, RANK_CONSTANT, Found

SEARCH_WEIGHT = 0.75
"""The power of the search's score (docs/decisions/open-domain.md)."""

SMALLEST = 1e-9
"""A probability below this counts as this."""

Search = Callable[[Sequence[str]], Sequence[Sequence[Found]]]
"""Finds the passages for each question, best first."""


@dataclass(frozen=True)
class Citation:
    """Where an answer stands."""

    document: str
    """As in `Passage`."""
    page: int
    """The page on which the answer begins, from 1."""
    section: str
    """The heading above it; "" if there is none."""
    sentence: str
    """The sentence with the answer; several, if the answer goes over a sentence's end."""
    start_char: int
    """The first character of the answer in `sentence`."""
    end_char: int
    """The character after it."""

    def marked(self) -> str:
        """Returns the sentence on one line, with the answer in brackets."""
        before, after = self.sentence[: self.start_char], self.sentence[self.end_char :]
        answer = self.sentence[self.start_char : self.end_char]
        return " ".join(f"{before}[{answer}]{after}".split())


@dataclass(frozen=True)
class PassageAnswer:
    """The answer that one passage gives."""

    found: Found
    """The passage, and how the search found it."""
    reading: Reading
    """The answer; its span is in the passage's text."""
    citation: Citation | None
    """None if the passage gives no answer."""


@dataclass(frozen=True)
class DocumentsAnswer:
    """The answer of all documents to one question."""

    question: str
    best: PassageAnswer | None
    """None if the documents do not answer the question."""
    alternatives: tuple[PassageAnswer, ...]
    """Other answers, with another text, best first."""
    guess: PassageAnswer | None
    """If there is no answer, the passage whose best span has the highest score; else None."""
    read: tuple[PassageAnswer, ...]
    """What each passage gave that was read, in the order of the search."""
    kind: Kind
    """The kind of reasoning that the question needs. If the model tells kinds, it is what the model
    said with the passage of `best`, else of `guess`."""


def answer_questions(
    questions: Sequence[str],
    search: Search,
    reader: Reader,
    options: AnswerOptions = AS_EVALUATED,
) -> list[DocumentsAnswer]:
    """Answers questions from the passages that a search finds.

    Args:
        questions: The questions.
        search: Finds passages in an index.
        reader: Reads them. Its null threshold decides whether a passage answers.
        options: How each passage is read.

    Returns:
        One answer per question, in the same order.
    """
    found = search(questions)
    pairs = [
        (q, each.passage.text) for q, some in zip(questions, found, strict=True) for each in some
    ]
    readings = iter(reader.read(pairs, options) if pairs else [])
    return [
        choose_answer(question, [(each, next(readings)) for each in some])
        for question, some in zip(questions, found, strict=True)
    ]


def choose_answer(question: str, read: Sequence[tuple[Found, Reading]]) -> DocumentsAnswer:
    """Returns the answer of the most probable passage, and the other answers.

    Args:
        question: The question.
        read: The passages that the search found, in its order, and what the reader found in each.
    """
    given = tuple(
        PassageAnswer(found, reading, _cite(found.passage, reading) if reading.answered else None)
        for found, reading in read
    )
    ranked = sorted(
        (each for each in given if each.reading.answered), key=weigh_passage, reverse=True
    )
    different: dict[str, PassageAnswer] = {}
    for each in ranked:
        different.setdefault(each.reading.text.casefold(), each)
    answers = tuple(different.values())
    best = answers[0] if answers else None
    guess = None if answers else max(given, key=weigh_passage, default=None)
    chosen = best or guess
    kind = find_kind(question, chosen.reading if chosen else None)
    return DocumentsAnswer(question, best, answers[1:], guess, given, kind)


def weigh_passage(given: PassageAnswer, search_weight: float = SEARCH_WEIGHT) -> float:
    """Returns how likely a passage gives the right answer: a sum of logarithms, for comparisons.

    Args:
        given: The passage and what the reader found in it.
        search_weight: The power of the search's score.
    """
    reading, found = given.reading, given.found
    if reading.probability is None:
        # A model that is not registered has no calibration: log of the sigmoid of its log-odds.
        log_probability = -float(np.logaddexp(0.0, -reading.score))
    else:
        log_probability = math.log(max(reading.probability, SMALLEST))
    # Only hybrid search has scores that can be compared like this; for others the rank counts.
    searched = found.scores.get(HYBRID, 1 / (RANK_CONSTANT + found.rank))
    return log_probability + search_weight * math.log(searched)


def _cite(passage: Passage, reading: Reading) -> Citation:
    """Returns where the answer of a passage stands."""
    start, end = reading.start_char, reading.end_char
    found = find_evidence(passage.text, start, end)
    return Citation(
        passage.document,
        passage.page_at(start),
        passage.section,
        found.text,
        start - found.start_char,
        end - found.start_char,
    )
