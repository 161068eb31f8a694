"""Answers a split's questions from the passages that each search found, and scores the answers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from squadron.artifacts import OPEN_ANSWERS
from squadron.progress import Progress
from squadron.scores.open_scores import score_answers
from squadron.steps._asked import Asked

if TYPE_CHECKING:
    from squadron.documents.passages import Passage
    from squadron.open_domain import DocumentsAnswer, PassageAnswer
    from squadron.reader import Reader
    from squadron.retrieval import Found

_AT_ONCE = 16
"""Questions whose passages are read together."""


class FoundPassages:
    """What the searches found for the questions of a split.

    Args:
        table: Of schema artifacts.FOUND.
        passages: All passages by their id.
        top_k: How many are read per question and method.
    """

    def __init__(self, table: pa.Table, passages: "Mapping[str, Passage]", top_k: int) -> None:
        from squadron.retrieval import METHODS, ORIGINAL, Found

        self.methods = METHODS
        self._found: dict[tuple[str, str], list[Found]] = {}
        self._right: set[tuple[str, str]] = set()
        for row in table.to_pylist():
            if row["is_right"]:
                self._right.add((row["id"], row["passage"]))
            # The original system read the first passage alone.
            if row["rank"] <= (1 if row["method"] == ORIGINAL else top_k):
                found = Found(passages[row["passage"]], row["rank"], {row["method"]: row["score"]})
                self._found.setdefault((row["method"], row["id"]), []).append(found)

    def find(self, method: str, question: str) -> "list[Found]":
        """Returns the passages that one method found for a question, by its id; best first."""
        return self._found.get((method, question), [])

    def is_right(self, question: str, passage: str) -> bool:
        """Says whether a passage that was found holds the answer; both by their ids."""
        return (question, passage) in self._right


def answer_split(asked: Asked, found: FoundPassages, reader: "Reader", bar: Progress) -> pa.Table:
    """Answers the questions once for each search method.

    A passage that several methods found for a question is read once.

    Args:
        asked: The questions.
        found: The passages.
        reader: Reads them as the registered model would.
        bar: Advanced by questions.

    Returns:
        A table of schema artifacts.OPEN_ANSWERS: question by question, method by method.
    """
    rows: list[dict[str, object]] = []
    for first in range(0, len(asked), _AT_ONCE):
        places = range(first, min(first + _AT_ONCE, len(asked)))
        for place, method, answer in _answer_some(asked, places, found, reader):
            rows.append(_make_row(asked, place, method, answer, found))
        bar.advance(len(places))
    return score_answers(pa.Table.from_pylist(rows, schema=OPEN_ANSWERS), asked.questions)


def _answer_some(
    asked: Asked, places: Sequence[int], found: FoundPassages, reader: "Reader"
) -> "Iterator[tuple[int, str, DocumentsAnswer]]":
    """Yields (place of the question, method, answer)."""
    from squadron.open_domain import choose_answer

    ids = asked.questions.ids
    given = {
        (place, method): found.find(method, ids[place])
        for place in places
        for method in found.methods
    }
    pairs = {
        (asked.texts[place], each.passage.text): None
        for (place, _), some in given.items()
        for each in some
    }
    readings = dict(zip(pairs, reader.read(list(pairs)), strict=True)) if pairs else {}
    for (place, method), some in given.items():
        question = asked.texts[place]
        read = [(each, readings[question, each.passage.text]) for each in some]
        yield place, method, choose_answer(question, read)


def _make_row(
    asked: Asked, place: int, method: str, answer: "DocumentsAnswer", found: FoundPassages
) -> dict[str, object]:
    """Returns a row of schema artifacts.OPEN_ANSWERS, without its scores."""
    name = asked.questions.ids[place]
    chosen: PassageAnswer | None = answer.best or answer.guess
    row: dict[str, object] = {"id": name, "method": method, "exact_match": 0.0, "f1": 0.0}
    row["answer"] = answer.best.reading.text if answer.best else ""
    if chosen is None:
        none = {"probability": None, "document": "", "page": 0, "passage": "", "rank": 0}
        return row | none | {"is_right": False}
    passage = chosen.found.passage
    return row | {
        "probability": chosen.reading.probability,
        "document": passage.document,
        "page": chosen.citation.page if chosen.citation else passage.page,
        "passage": passage.id,
        "rank": chosen.found.rank,
        "is_right": found.is_right(name, passage.id),
    }
