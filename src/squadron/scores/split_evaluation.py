"""Candidates of a split -> answers and figures, with a part of the questions in memory at a time.

It gives what `evaluation.judge` gives in memory. Of the whole split, only a few numbers of each
question are in memory. The candidates are ranked once and then lie in temporary files.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from squadron.answers.merging import FindNumbers, find_by_hash
from squadron.answers.ranking import Ranked, RankedFile, best_texts
from squadron.artifacts import SCORES, Column, read_origin, read_parts
from squadron.scores import significance
from squadron.scores.evaluation import (
    Answers,
    AnswerScores,
    BestSpans,
    Judged,
    Questions,
    choose_answers,
    choose_rule,
    read_spans,
    score_best,
    search_thresholds,
    summarize,
)

PART_QUESTIONS = 8_192
"""The most questions of a part."""
_SCHEMA = "examples/1"


class SplitFile:
    """The questions of a split, which are read from their file part by part.

    Args:
        path: A Parquet file of schema `artifacts.EXAMPLES`.
        count: How many of its first questions; 0 for all.
        folder: Where temporary files lie.
    """

    def __init__(self, path: Path, count: int, folder: Path) -> None:
        self._path, self._limit, self.folder = path, count, folder
        self.digest = read_origin(path, schema=_SCHEMA)
        """Of what the examples were made from."""
        counts, spans = [np.zeros(0, np.int64)], [np.zeros((0, 2), np.int64)]
        for part in self.parts("answers"):
            answers = part["answers"].combine_chunks()
            counts.append(pc.list_value_length(answers).to_numpy())
            spans.append(read_spans(answers.flatten()))
        self.gold_counts = np.concatenate(counts).astype(np.int64)
        """The number of gold answers of each question, shape (E,)."""
        self.gold_spans = np.concatenate(spans)
        """Start and end in characters of all gold answers, question by question; shape (G, 2)."""
        self.has_answer = self.gold_counts > 0
        self.rule = choose_rule(self.has_answer)

    def __len__(self) -> int:
        return len(self.gold_counts)

    def parts(self, *columns: str) -> Iterator[pa.Table]:
        """Yields some columns of the questions, or all, part by part."""
        left = self._limit
        for part in read_parts(
            self._path,
            schema=_SCHEMA,
            columns=columns or None,
            rows=PART_QUESTIONS,
            encode_texts=False,
        ):
            yield part.slice(0, left) if self._limit else part
            left -= len(part)
            if self._limit and left <= 0:
                return

    def ids(self) -> Iterator[str]:
        """Yields the id of each question."""
        for part in self.parts("id"):
            yield from part["id"].to_pylist()

    @cached_property
    def find_numbers(self) -> FindNumbers:
        """Finds the numbers of questions by their ids."""
        return find_by_hash(self.ids())

    @cached_property
    def clusters(self) -> dict[str, npt.NDArray[np.int64]]:
        """Numbers of the `paragraph` and of the `title` of each question, shape (E,) each."""
        paragraphs, titles = _Groups(self.folder), _Groups(self.folder)
        for part in self.parts("context", "title"):
            contexts = part["context"].combine_chunks()
            used, place = np.unique(contexts.indices.to_numpy(), return_inverse=True)
            paragraphs.add(contexts.dictionary.take(pa.array(used)), place)
            names = part["title"].combine_chunks().dictionary_encode()
            titles.add(names.dictionary, names.indices.to_numpy())
        return {
            "paragraph": significance.separate_clusters(paragraphs.numbers()),
            "title": titles.numbers(),
        }


class _Groups:
    """Numbers texts from 0 in their order, as `significance.number_groups` does."""

    def __init__(self, folder: Path) -> None:
        self._numbers: dict[bytes, int] = {}
        self._texts, self._edges = Column(np.uint8, folder), Column(np.int64, folder)
        self._edges.add([0])
        self._members = [np.zeros(0, np.int32)]

    def add(self, texts: pa.Array, places: npt.NDArray[Any]) -> None:
        """Adds questions, each of which has one of the texts, by its place."""
        numbers = []
        for text in texts.cast(pa.binary()).to_pylist():
            key = hashlib.blake2b(text, digest_size=16).digest()
            if key not in self._numbers:
                self._texts.add(np.frombuffer(text, np.uint8))
                self._edges.add([len(self._texts)])
            numbers.append(self._numbers.setdefault(key, len(self._numbers)))
        self._members.append(np.array(numbers, np.int32)[places])

    def numbers(self) -> npt.NDArray[np.int64]:
        """Returns the number of each question's text, shape (E,)."""
        texts = pa.LargeBinaryArray.from_buffers(
            pa.large_binary(),
            len(self._numbers),
            [None, pa.py_buffer(self._edges.array()), pa.py_buffer(self._texts.array())],
        )
        order = pc.sort_indices(texts).to_numpy()
        rank = np.zeros(len(order), np.int64)
        rank[order] = np.arange(len(order))
        return rank[np.concatenate(self._members)]


class AnsweredPart(NamedTuple):
    """Some neighbouring questions of a split with their answers."""

    rows: slice
    """Their places in the split."""
    examples: pa.Table
    """Of schema `artifacts.EXAMPLES`."""
    questions: Questions
    ranked: Ranked
    answers: Answers


class RankedSplit:
    """A split whose candidates are ranked.

    Args:
        split: The questions.
        candidates: Tables of schema `artifacts.CANDIDATES`, as predict writes them.
        rule: One of config.ANSWER_RULES.
    """

    def __init__(self, split: SplitFile, candidates: Iterable[pa.Table], rule: str) -> None:
        self.split = split
        self._ranked = RankedFile(candidates, split.find_numbers, len(split), rule, split.folder)
        found = [score_best(questions, ranked)[1] for _, _, questions, ranked in self._parts()]
        self.best: BestSpans = _join(found)
        """The best span of each question."""
        self._scores: list[AnswerScores] = []

    def search_thresholds(self) -> dict[str, float | None]:
        """Returns the best null thresholds; see `evaluation.search_thresholds`."""
        return search_thresholds(self.best, self.split.has_answer)

    def answer(self, threshold: float | None) -> Iterator[AnsweredPart]:
        """Yields the questions part by part, answered by a null threshold."""
        self._scores = []
        for rows, examples, questions, ranked in self._parts():
            best = BestSpans(*(values[rows] for values in vars(self.best).values()))
            texts = best_texts(ranked, questions.contexts)
            answers = choose_answers(questions, texts, best, threshold)
            self._scores.append(answers.scores)
            yield AnsweredPart(rows, examples, questions, ranked, answers)

    def judge(self, threshold: float | None, thresholds: dict[str, float | None]) -> Judged:
        """Returns the figures of the answers, once all of `answer` was read.

        Args:
            threshold: By which the questions were answered.
            thresholds: As `search_thresholds` gave them; none if they were not searched.
        """
        scores: AnswerScores = _join(self._scores)
        ids = pa.chunked_array([part["id"].combine_chunks() for part in self.split.parts("id")])
        columns = {
            "id": ids,
            **self.split.clusters,
            "exact_match": scores.exact,
            "f1": scores.f1,
        }
        return Judged(
            best_spans=self.best,
            figures=summarize(self.split.has_answer, self.best, scores),
            null_threshold=threshold,
            scores=pa.table(columns, schema=SCORES),
            null_thresholds=thresholds,
        )

    def _parts(self) -> Iterator[tuple[slice, pa.Table, Questions, Ranked]]:
        """Yields the questions part by part, with their places and their candidates."""
        first = 0
        for examples in self.split.parts():
            questions = Questions.read(examples, self.split.rule)
            rows = slice(first, first + len(examples))
            yield rows, examples, questions, self._ranked.read(rows.start, rows.stop)
            first = rows.stop


def _join(parts: Sequence[Any]) -> Any:
    """Returns the columns of all parts, which are of one dataclass, end to end."""
    names = [field.name for field in fields(parts[0])]
    columns = (np.concatenate([getattr(part, name) for part in parts]) for name in names)
    return type(parts[0])(*columns)
