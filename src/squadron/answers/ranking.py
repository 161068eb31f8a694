"""Merges and ranks the candidates of each question, and decides when not to answer.

A candidate's score is its log-odds against the no-answer hypothesis of the same window, so that
scores from windows of different lengths can be compared. A question is answered if its best score
exceeds the null threshold.

The rule `lowest_null` follows the literature instead (Devlin et al. 2019): it compares the spans of
all windows by the sum of their logits, minus the lowest no-answer score of any window of the
question.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from squadron.answers.merging import FindNumbers, find_by_hash, rank_pieces
from squadron.artifacts import Column

NO_CANDIDATE_ODDS = 1e30
"""Null odds of a question without a candidate: above any score, but finite, as JSON needs."""


@dataclass(frozen=True)
class Ranked:
    """Merged candidates of E questions, flat; for each question the best first, no span twice.

    Question e has the rows edges[e] to edges[e + 1] - 1.
    """

    edges: npt.NDArray[np.int64]
    start_char: npt.NDArray[np.int32]
    end_char: npt.NDArray[np.int32]
    score: npt.NDArray[np.float32]

    def best_score(self) -> npt.NDArray[np.float64]:
        """Returns the score of each question's best candidate, -inf without one; shape (E,)."""
        best = np.full(len(self.edges) - 1, -np.inf)
        has = self.edges[1:] > self.edges[:-1]
        best[has] = self.score[self.edges[:-1][has]]
        return best

    def best_span(self) -> npt.NDArray[np.int64]:
        """Returns start and end character of each question's best candidate, shape (E, 2).

        Both are -1 for a question without a candidate.
        """
        spans = np.full((len(self.edges) - 1, 2), -1, np.int64)
        has = self.edges[1:] > self.edges[:-1]
        first = self.edges[:-1][has]
        spans[has] = np.stack([self.start_char[first], self.end_char[first]], axis=1)
        return spans


def rank_candidates(
    candidates: pa.Table, example_ids: Sequence[str], rule: str = "window"
) -> Ranked:
    """Merges the candidates of all windows by character span, and ranks them.

    A span that several windows have keeps its best score. Of equal scores, the earlier and then the
    shorter span comes first, so the order of the windows does not matter.

    Args:
        candidates: A table of schema `artifacts.CANDIDATES`. Candidates of unknown examples are
            ignored.
        example_ids: The questions, in the order of the result.
        rule: One of config.ANSWER_RULES. With `lowest_null`, a score is start + end minus the
            lowest null score of the question's windows that have candidates.
    """
    return rank_parts([candidates], example_ids, rule)


def rank_parts(
    parts: Iterable[pa.Table], example_ids: Sequence[str], rule: str = "window"
) -> Ranked:
    """Does the same as `rank_candidates` for all parts together, with one part in memory at a time.

    Args:
        parts: Tables of candidates. The candidates of one question must be in one part or in
            neighbouring parts, as predict writes them.
        example_ids: The questions, in the order of the result.
        rule: One of config.ANSWER_RULES.

    Raises:
        ValueError: If a question has candidates in parts that are not neighbours.
    """
    return RankedFile(parts, find_by_hash(example_ids), len(example_ids), rule).read()


class RankedFile:
    """Ranked candidates of a split, in temporary files or in memory.

    Args:
        parts: As for `rank_parts`.
        find_numbers: Of questions by their ids. Candidates of unknown questions are ignored.
        count: The number of questions.
        rule: One of config.ANSWER_RULES.
        folder: Where the temporary files lie; None keeps all in memory.

    Raises:
        ValueError: If a question has candidates in parts that are not neighbours.
    """

    def __init__(
        self,
        parts: Iterable[pa.Table],
        find_numbers: FindNumbers,
        count: int,
        rule: str,
        folder: Path | None = None,
    ) -> None:
        counts = np.zeros(count, np.int64)
        columns = [Column(dtype, folder) for dtype in (np.int32, np.int32, np.int32, np.float32)]
        last, is_rising = 0, True
        for piece in rank_pieces(parts, find_numbers, rule):
            first = int(piece.example[0])
            here = np.bincount(piece.example - first)
            known = counts[first : first + len(here)]
            if np.any(known[here > 0]):
                raise ValueError(
                    "the candidates of one question are in parts that are no neighbours"
                )
            known += here
            is_rising, last = is_rising and first >= last, int(piece.example[-1])
            for column, values in zip(columns, piece, strict=True):
                column.add(values)
        if not is_rising:
            order = np.argsort(columns[0].array(), kind="stable")
            for place, column in enumerate(columns):
                columns[place] = Column(column.dtype, folder)
                columns[place].add(column.array()[order])
        self._edges = np.concatenate([[0], np.cumsum(counts)])
        self._columns = columns[1:]

    def read(self, first: int = 0, end: int | None = None) -> Ranked:
        """Returns the candidates of the questions from `first` to `end` - 1, or to the last."""
        edges = self._edges[first : None if end is None else end + 1]
        columns = (column.read(int(edges[0]), int(edges[-1])) for column in self._columns)
        return Ranked(edges - edges[0], *columns)


def best_texts(ranked: Ranked, contexts: Sequence[str]) -> list[str]:
    """Returns the text of each question's best span, "" without one."""
    texts = []
    for number, context in enumerate(contexts):
        first = ranked.edges[number]
        has = first < ranked.edges[number + 1]
        texts.append(context[ranked.start_char[first] : ranked.end_char[first]] if has else "")
    return texts


def all_texts(ranked: Ranked, contexts: Sequence[str]) -> Iterator[list[str]]:
    """Yields for each question the texts of all its candidates, the best first."""
    for number, context in enumerate(contexts):
        rows = slice(ranked.edges[number], ranked.edges[number + 1])
        spans = zip(ranked.start_char[rows].tolist(), ranked.end_char[rows].tolist(), strict=True)
        yield [context[start:end] for start, end in spans]


def apply_threshold(
    texts: Sequence[str], best_score: npt.NDArray[np.float64], threshold: float | None
) -> list[str]:
    """Replaces answers by "" where the best score does not exceed the threshold.

    With None, every question is answered.
    """
    if threshold is None:
        return list(texts)
    return [
        text if score > threshold else "" for text, score in zip(texts, best_score, strict=True)
    ]


def null_odds(best_score: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Returns the null odds for the official script: higher means more likely unanswerable.

    A question is answered if its odds are below minus the null threshold. Without a candidate, the
    odds are a large finite number.
    """
    return np.where(np.isfinite(best_score), 0.0 - best_score, NO_CANDIDATE_ODDS)


def find_threshold(
    best_score: npt.NDArray[np.float64],
    exact: npt.NDArray[np.float64],
    has_answer: npt.NDArray[np.bool_],
) -> float | None:
    """Finds the null threshold with the highest exact match (or F1) among all thresholds.

    Use questions of the tune split only. Of equally good thresholds, the one that answers most
    questions wins.

    Args:
        best_score: Score of each question's best candidate, shape (E,).
        exact: 1 if that candidate is right, else 0, shape (E,); or its F1, 0 to 1.
        has_answer: Whether the question has an answer, shape (E,).

    Returns:
        A number half-way between two scores. None (answer everything) if every question has an
        answer, because then nothing shows when to abstain.
    """
    if has_answer.all():
        return None
    # A question without a candidate is unanswered with any threshold.
    scored = np.isfinite(best_score)
    best_score, exact, has_answer = best_score[scored], exact[scored], has_answer[scored]
    order = np.argsort(-best_score, kind="stable")
    score = best_score[order]
    # If the k questions with the best scores are answered, `total[k]` is the number of right
    # answers among them minus the number of unanswerable questions among them.
    gain = exact[order].astype(np.float64) - ~has_answer[order]
    total = np.concatenate([[0.0], np.cumsum(gain)])
    # A threshold fits behind question k only if the score drops there.
    possible = np.ones(len(total), bool)
    possible[1:-1] = score[:-1] > score[1:]
    total[~possible] = -np.inf
    k = len(total) - 1 - int(np.argmax(total[::-1]))
    if not len(score):
        return 0.0
    if k == len(score):
        return float(score[-1]) - 1.0
    if k == 0:
        return float(score[0]) + 1.0
    above, below = float(score[k - 1]), float(score[k])
    middle = (above + below) / 2
    return middle if middle < above else below  # no number lies between neighbouring floats


class Best(TypedDict):
    """One of the n best candidates of a question, as nbest.json has it."""

    text: str
    start_char: int
    end_char: int
    score: float
    probability: NotRequired[float]
    """Only the best one has it."""


def list_best(ranked: Ranked, contexts: Sequence[str], n_best: int) -> Iterator[list[Best]]:
    """Yields the n best of each question.

    It yields one question at a time: all together would need more memory than the rest of evaluate.
    """
    for number, context in enumerate(contexts):
        first = ranked.edges[number]
        kept = slice(first, min(ranked.edges[number + 1], first + n_best))
        # Lists are used because reading single numbers from NumPy would take most of the time.
        columns = (ranked.start_char[kept], ranked.end_char[kept], ranked.score[kept])
        yield [
            {"text": context[start:end], "start_char": start, "end_char": end, "score": score}
            for start, end, score in zip(*(column.tolist() for column in columns), strict=True)
        ]
