"""Exact match and F1 by kinds of questions.

A group divides all questions of a split by one property. Properties go together, so the figures of
one part say little about the cause. Nothing is chosen by them.

Each group has a row for each value that occurs:

- all: every question.
- question_word: what, who, when, where, why, how, how many/much, which or other; `question_word`
  has the rule.
- answerable: yes or no, by whether there is a gold answer.
- reasoning_type_data, reasoning_type_rules: one of question_types.TYPES. Labels of the data and
  guesses by rules (`label_source`) are never mixed.
- answer_words: words of the first gold answer; 0 for a question without one.
- context_words: words of the context. The edges are near the quartiles of SQuAD v2.0's dev
  questions (93, 114, 148) and of its training questions (81, 106, 141), and are the same for any
  data, so that splits compare.
- windows: the number of windows that the context was cut into, where that is known.
- title: the article.

A word is what `str.split` finds. The intervals are 95 % intervals by paragraph
(`significance.interval`). A value with fewer than 20 questions, or with questions of fewer than 5
paragraphs, has no interval: it would be too wide to be useful.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from squadron.answers.merging import FindNumbers, number_rows
from squadron.artifacts import BREAKDOWN, read_table
from squadron.data.question_types import TYPES
from squadron.scores import significance
from squadron.scores.figures import Estimates

GROUPS = (
    "all",
    "question_word",
    "answerable",
    "reasoning_type_data",
    "reasoning_type_rules",
    "answer_words",
    "context_words",
    "windows",
    "title",
)
"""In the order of the table."""
QUESTION_WORDS = (
    "what",
    "who",
    "when",
    "where",
    "why",
    "how",
    "how many/much",
    "which",
    "other",
)
LEAST_QUESTIONS = 20
LEAST_PARAGRAPHS = 5
NEAR_START = 12
"""Words at the start of a question among which its question word is looked for."""

_QUESTION_WORD = re.compile(
    r"\b(?:how\s+(?:many|much)|how|what|who|whom|whose|when|where|why|which)\b", re.IGNORECASE
)
_FORMS = {"whom": "who", "whose": "who"}
# From each number up: the name of the part.
_ANSWER_EDGES = ((0, "0"), (1, "1"), (2, "2-3"), (4, "4-7"), (8, "8+"))
_CONTEXT_EDGES = ((0, "0-89"), (90, "90-114"), (115, "115-149"), (150, "150+"))
_WINDOW_EDGES = ((1, "1"), (2, "2"), (3, "3"), (4, "4+"))
_NAMES: dict[str, Sequence[str]] = {
    "all": ("all",),
    "question_word": QUESTION_WORDS,
    "answerable": ("yes", "no"),
    "reasoning_type_data": TYPES,
    "reasoning_type_rules": TYPES,
    "answer_words": [name for _, name in _ANSWER_EDGES],
    "context_words": [name for _, name in _CONTEXT_EDGES],
    "windows": [name for _, name in _WINDOW_EDGES],
}
"""The values of each group but the title, which is whatever titles there are."""


@dataclass(frozen=True)
class Part(Estimates):
    """The questions of one group that have one value: a row of `artifacts.BREAKDOWN`."""

    group: str
    """One of GROUPS."""
    value: str
    questions: int
    """How many there are."""
    exact_match: float
    """Mean over them, 0 to 100, like F1."""
    f1: float
    exact_match_low: float | None = None
    """Start of the 95 % interval; None for too few questions."""
    exact_match_high: float | None = None
    f1_low: float | None = None
    f1_high: float | None = None


def read_parts(path: Path) -> list[Part]:
    """Reads a file of schema `artifacts.BREAKDOWN`.

    Raises:
        InputError: If the file is missing or of another schema.
    """
    return [Part(**row) for row in read_table(path, schema="breakdown/2").to_pylist()]


def question_word(question: str) -> str:
    """Returns the first question word among the first 12 words, one of QUESTION_WORDS.

    Many questions have it late ("The church was built in what year?"), so 12 words are read. A
    "who" or "when" further from the start mostly begins a clause. "whom" and "whose" count as
    "who". Questions without a question word count as "other": yes-or-no questions, commands,
    typing errors.

    >>> question_word("In how many  days was it built?")
    'how many/much'
    >>> question_word("What's its name?")
    'what'
    >>> question_word("Name the river.")
    'other'
    """
    found = _QUESTION_WORD.search(question)
    if not found or len(question[: found.start()].split(maxsplit=NEAR_START)) >= NEAR_START:
        return "other"
    word = found.group().lower()
    if not word.isalpha():  # the blank of "how many"
        return "how many/much"
    return _FORMS.get(word, word)


def count_windows(
    parts: Iterable[pa.Table], find_numbers: FindNumbers, count: int
) -> npt.NDArray[np.int64]:
    """Counts the windows of each question; shape (N,), 0 for a question without a row.

    Args:
        parts: Tables of schema `artifacts.EXTENTS`, with a row for each window.
        find_numbers: Of questions by their ids.
        count: The number of questions.
    """
    counts = np.zeros(count, np.int64)
    for part in parts:
        example = number_rows(part["example_id"].combine_chunks(), find_numbers)
        known = example >= 0
        np.maximum.at(counts, example[known], part["window"].to_numpy()[known] + 1)
    return counts


def break_down(
    examples: pa.Table, scores: pa.Table, windows: npt.NDArray[np.int64] | None = None
) -> pa.Table:
    """Computes exact match and F1 of every group; see `Breakdown`.

    Raises:
        ValueError: If the scores belong to other questions.
    """
    if not examples["id"].equals(scores["id"]):
        raise ValueError("the scores are not of these examples in their order")
    groups = Breakdown()
    groups.add(examples, windows)
    return groups.score(scores)


class Breakdown:
    """Collects part by part which value each question has in each group."""

    def __init__(self) -> None:
        self._places: dict[str, list[npt.NDArray[Any]]] = {group: [] for group in GROUPS}
        self._titles: dict[str, int] = {}

    def add(self, examples: pa.Table, windows: npt.NDArray[np.int64] | None = None) -> None:
        """Adds the next questions.

        Args:
            examples: Of schema `artifacts.EXAMPLES`, N questions.
            windows: The windows of each question, as `count_windows` gives them, shape (N,).
                Without them, and for a question with 0 windows, there is no row.
        """
        for group, places in _part(examples, windows).items():
            self._places[group].append(places.astype(np.int8))
        titles = examples["title"].to_pylist()
        numbers = [self._titles.setdefault(title, len(self._titles)) for title in titles]
        self._places["title"].append(np.array(numbers, np.int32))

    def score(self, scores: pa.Table) -> pa.Table:
        """Computes exact match and F1 of every group.

        Args:
            scores: Of schema `artifacts.SCORES`, of all questions in their order.

        Returns:
            A table of schema `artifacts.BREAKDOWN`: groups in the order of GROUPS, values from
            small to large or in the order of their lists, titles by the alphabet. Questions without
            a label are in no row of a reasoning type.
        """
        titles = sorted(self._titles)
        rank = np.zeros(len(titles), np.int32)
        rank[[self._titles[title] for title in titles]] = np.arange(len(titles))
        both = 100.0 * np.stack([scores[name].to_numpy() for name in ("exact_match", "f1")], axis=1)
        paragraph = scores["paragraph"].to_numpy()
        rows: list[dict[str, Any]] = []
        for group in GROUPS:
            names = titles if group == "title" else _NAMES[group]
            places = np.concatenate([np.zeros(0, np.int8), *self._places[group]])
            if group == "title":
                places = rank[places]
            order = np.argsort(places, kind="stable")
            edges = np.searchsorted(places[order], np.arange(len(names) + 1))
            for value, start, end in zip(names, edges, edges[1:], strict=False):
                if end > start:
                    row = {"group": group, "value": value, "questions": int(end - start)}
                    chosen = order[start:end]
                    rows.append(row | _score(both[chosen], paragraph[chosen]))
        return pa.Table.from_pylist(rows, schema=BREAKDOWN)


def _part(
    examples: pa.Table, windows: npt.NDArray[np.int64] | None
) -> dict[str, npt.NDArray[np.int64]]:
    """Returns for each group but the title which value each question has, -1 for none."""
    count = examples.num_rows
    golds = examples["answers"].combine_chunks()
    has_answer = pc.list_value_length(golds).fill_null(0).to_numpy(zero_copy_only=False) > 0
    first = np.zeros(count, np.int64)
    if has_answer.any():
        texts = pc.struct_field(pc.list_element(golds.filter(pa.array(has_answer)), 0), "text")
        first[has_answer] = [len(text.split()) for text in texts.to_pylist()]
    contexts = examples["context"].unify_dictionaries().combine_chunks()
    indices = contexts.indices.to_numpy()
    # The dictionary may hold contexts of other questions.
    used, place = np.unique(indices, return_inverse=True)
    texts = contexts.dictionary.take(pa.array(used)).to_pylist()
    lengths = np.array([len(text.split()) for text in texts], np.int64)
    words = [question_word(text) for text in examples["question"].to_pylist()]
    source = examples["label_source"]
    if windows is None:
        windows = np.zeros(count, np.int64)
    return {
        "all": np.zeros(count, np.int64),
        "question_word": _find(pa.array(words, pa.string()), QUESTION_WORDS),
        "answerable": (~has_answer).astype(np.int64),
        "answer_words": _cut(first, _ANSWER_EDGES),
        "context_words": _cut(lengths[place], _CONTEXT_EDGES),
        "windows": _cut(windows, _WINDOW_EDGES),
    } | {
        f"reasoning_type_{name}": np.where(
            pc.equal(source, name).fill_null(False).to_numpy(),
            _find(examples["reasoning_type"], TYPES),
            -1,
        )
        for name in ("data", "rules")
    }


def _find(column: Any, names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Returns the place of each text in the names, -1 where it is none of them."""
    places = pc.index_in(column, value_set=pa.array(names, pa.string())).fill_null(-1)
    return np.asarray(places.to_numpy(), np.int64)


def _cut(numbers: npt.NDArray[np.int64], edges: Sequence[tuple[int, str]]) -> npt.NDArray[np.int64]:
    """Returns the place of the part that each number is in; -1 is below the first edge."""
    return np.searchsorted([start for start, _ in edges], numbers, side="right") - 1


def _score(both: npt.NDArray[np.float64], paragraph: npt.NDArray[np.int64]) -> dict[str, float]:
    """Returns the figures of some questions, with intervals where there are enough of them.

    Args:
        both: Exact match and F1 of each question, 0 to 100, shape (N, 2).
        paragraph: Of each question, shape (N,).
    """
    exact, f1 = both.mean(axis=0).tolist()
    row = {"exact_match": exact, "f1": f1}
    clusters = np.unique(paragraph, return_inverse=True)[1]
    if len(both) >= LEAST_QUESTIONS and clusters.max() + 1 >= LEAST_PARAGRAPHS:
        for column, name in enumerate(("exact_match", "f1")):
            low, high = significance.interval(both[:, column], clusters)
            row |= {f"{name}_low": low, f"{name}_high": high}
    return row
