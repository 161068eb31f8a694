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
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

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


_Parts = tuple[Sequence[str], npt.NDArray[np.int64]]
"""The values of a group, and for each question which of them it has (N,), -1 for none."""


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


def count_windows(rows: pa.Table, example_ids: Sequence[str]) -> npt.NDArray[np.int64]:
    """Counts the windows of each question; shape (N,).

    Args:
        rows: One per window, of schema `artifacts.EXTENTS`.
        example_ids: The questions, in the order of the result; 0 for one without a row.
    """
    example = pc.index_in(rows["example_id"], value_set=pa.array(example_ids, pa.string()))
    known = pc.is_valid(example)
    counts = np.zeros(len(example_ids), np.int64)
    window = rows["window"].filter(known).to_numpy().astype(np.int64)
    np.maximum.at(counts, example.filter(known).to_numpy(), window + 1)
    return counts


def break_down(
    examples: pa.Table, scores: pa.Table, windows: npt.NDArray[np.int64] | None = None
) -> pa.Table:
    """Computes exact match and F1 of every group.

    Args:
        examples: Of schema `artifacts.EXAMPLES`, N questions.
        scores: Of schema `artifacts.SCORES`, of the same questions in the same order.
        windows: The windows of each question, as `count_windows` gives them, shape (N,). Without
            them, and for a question with 0 windows, there is no row.

    Returns:
        A table of schema `artifacts.BREAKDOWN`: groups in the order of GROUPS, values from small
        to large or in the order of their lists, titles by the alphabet. Questions without a label
        are in no row of a reasoning type.

    Raises:
        ValueError: If the scores belong to other questions.
    """
    if not examples["id"].equals(scores["id"]):
        raise ValueError("the scores are not of these examples in their order")
    found = _part(examples, windows)
    members: list[npt.NDArray[np.int64]] = []
    rows: list[dict[str, Any]] = []
    for group in GROUPS:
        names, places = found[group]
        order = np.argsort(places, kind="stable")
        edges = np.searchsorted(places[order], np.arange(len(names) + 1))
        for value, start, end in zip(names, edges, edges[1:], strict=False):
            if end > start:
                members.append(order[start:end])
                rows.append({"group": group, "value": value, "questions": int(end - start)})
    _score(rows, members, scores)
    return pa.Table.from_pylist(rows, schema=BREAKDOWN)


def _part(examples: pa.Table, windows: npt.NDArray[np.int64] | None) -> dict[str, _Parts]:
    """Returns for each group which value each question has."""
    count = examples.num_rows
    golds = examples["answers"].combine_chunks()
    has_answer = pc.list_value_length(golds).fill_null(0).to_numpy(zero_copy_only=False) > 0
    first = np.zeros(count, np.int64)
    if has_answer.any():
        texts = pc.struct_field(pc.list_element(golds.filter(pa.array(has_answer)), 0), "text")
        first[has_answer] = [len(text.split()) for text in texts.to_pylist()]
    contexts = examples["context"].unify_dictionaries().combine_chunks()
    lengths = np.array([len(text.split()) for text in contexts.dictionary.to_pylist()], np.int64)
    words = [question_word(text) for text in examples["question"].to_pylist()]
    titles = sorted(set(examples["title"].to_pylist()))
    source = examples["label_source"]
    if windows is None:
        windows = np.zeros(count, np.int64)
    return {
        "all": (("all",), np.zeros(count, np.int64)),
        "question_word": (QUESTION_WORDS, _find(pa.array(words, pa.string()), QUESTION_WORDS)),
        "answerable": (("yes", "no"), (~has_answer).astype(np.int64)),
        "answer_words": _cut(first, _ANSWER_EDGES),
        "context_words": _cut(lengths[contexts.indices.to_numpy()], _CONTEXT_EDGES),
        "windows": _cut(windows, _WINDOW_EDGES),
        "title": (titles, _find(examples["title"], titles)),
    } | {
        f"reasoning_type_{name}": (
            TYPES,
            np.where(
                pc.equal(source, name).fill_null(False).to_numpy(),
                _find(examples["reasoning_type"], TYPES),
                -1,
            ),
        )
        for name in ("data", "rules")
    }


def _find(column: Any, names: Sequence[str]) -> npt.NDArray[np.int64]:
    """Returns the place of each text in the names, -1 where it is none of them."""
    places = pc.index_in(column, value_set=pa.array(names, pa.string())).fill_null(-1)
    return np.asarray(places.to_numpy(), np.int64)


def _cut(numbers: npt.NDArray[np.int64], edges: Sequence[tuple[int, str]]) -> _Parts:
    """Returns the names of the parts and the part of each number; -1 is below the first edge."""
    starts = [start for start, _ in edges]
    return [name for _, name in edges], np.searchsorted(starts, numbers, side="right") - 1


def _score(
    rows: list[dict[str, Any]], members: list[npt.NDArray[np.int64]], scores: pa.Table
) -> None:
    """Adds the figures of each row, and its intervals where it has enough questions."""
    both = 100.0 * np.stack([scores[name].to_numpy() for name in ("exact_match", "f1")], axis=1)
    paragraph = scores["paragraph"].to_numpy()
    for row, places in zip(rows, members, strict=True):
        row["exact_match"], row["f1"] = both[places].mean(axis=0).tolist()
        clusters = np.unique(paragraph[places], return_inverse=True)[1]
        if len(places) >= LEAST_QUESTIONS and clusters.max() + 1 >= LEAST_PARAGRAPHS:
            for column, name in enumerate(("exact_match", "f1")):
                low, high = significance.interval(both[places, column], clusters)
                row[f"{name}_low"], row[f"{name}_high"] = low, high
