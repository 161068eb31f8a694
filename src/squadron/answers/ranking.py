"""Merges and ranks the candidates of each question, and decides when not to answer.

A candidate's score is its log-odds against the no-answer hypothesis of the same window, so that
scores from windows of different lengths can be compared. A question is answered if its best score
exceeds the null threshold.

The rule `lowest_null` follows the literature instead (Devlin et al. 2019): it compares the spans of
all windows by the sum of their logits, minus the lowest no-answer score of any window of the
question.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from squadron.config import ANSWER_RULES

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
    if rule not in ANSWER_RULES:
        raise ValueError(f"rule is {rule!r}; it must be one of {ANSWER_RULES}")
    numbers = {name: number for number, name in enumerate(example_ids)}
    counts = np.zeros(len(example_ids), np.int64)
    pieces: list[_Piece] = []
    # The last question of a part may continue in the next part.
    open_rows = _Rows.empty()
    for part in parts:
        rows = _Rows.concatenate([open_rows, _Rows.read(part, numbers)])
        is_last = rows.example == rows.example[-1:]
        _close(rows.where(~is_last), rule, counts, pieces)
        open_rows = rows.where(is_last)
    _close(open_rows, rule, counts, pieces)
    nothing = _Rows.empty()
    pieces.append((nothing.example, nothing.start, nothing.end, nothing.score))
    example, *columns = (np.concatenate(column) for column in zip(*pieces, strict=True))
    if np.any(example[1:] < example[:-1]):
        order = np.argsort(example, kind="stable")
        columns = [column[order] for column in columns]
    edges = np.concatenate([[0], np.cumsum(counts)])
    return Ranked(edges, *columns)


@dataclass(frozen=True)
class _Rows:
    """Candidates, column by column."""

    example: npt.NDArray[np.int32]
    """Number of the question."""
    window: npt.NDArray[np.int32]
    start: npt.NDArray[np.int32]
    end: npt.NDArray[np.int32]
    score: npt.NDArray[np.float32]
    null: npt.NDArray[np.float32]

    @classmethod
    def empty(cls) -> "_Rows":
        whole, real = np.zeros(0, np.int32), np.zeros(0, np.float32)
        return cls(whole, whole, whole, whole, real, real)

    @classmethod
    def concatenate(cls, pieces: "Sequence[_Rows]") -> "_Rows":
        columns = zip(*(vars(piece).values() for piece in (cls.empty(), *pieces)), strict=True)
        return cls(*map(np.concatenate, columns))

    @classmethod
    def read(cls, candidates: pa.Table, numbers: Mapping[str, int]) -> "_Rows":
        """Reads a table, without the candidates of unknown examples."""
        pieces = []
        for batch in candidates.to_batches():
            encoded = batch.column("example_id")
            if not pa.types.is_dictionary(encoded.type):
                encoded = encoded.dictionary_encode()
            names = encoded.dictionary.to_pylist()
            number = np.array([numbers.get(name, -1) for name in names], np.int32)
            example = number[encoded.indices.to_numpy()]
            columns = ("window", "start_char", "end_char", "score", "null_score")
            rows = cls(example, *(batch.column(name).to_numpy() for name in columns))
            pieces.append(rows if example.min(initial=0) == 0 else rows.where(example >= 0))
        return cls.concatenate(pieces)

    def where(self, chosen: Any) -> "_Rows":
        """Returns the rows of a mask, or those with the given numbers."""
        return _Rows(*(column[chosen] for column in vars(self).values()))


# Ranked rows of whole questions: example, start, end and score.
_Piece = tuple[Any, Any, Any, Any]


def _close(rows: _Rows, rule: str, counts: npt.NDArray[np.int64], pieces: list[_Piece]) -> None:
    """Ranks the candidates of questions that are complete.

    Adds the rows that are kept to `pieces`, and their number per question to `counts`.
    """
    if not len(rows.example):
        return
    first = int(rows.example.min())
    # Numbers start from 0 here, so that no array below is as long as all examples.
    example = rows.example.astype(np.int64) - first
    score = rows.score
    if rule == "lowest_null":
        lowest = np.full(int(example.max()) + 1, np.inf, np.float32)
        np.minimum.at(lowest, example, rows.null)
        score = score + (rows.null - lowest[example])
    order = _rank(example, score, rows.start, rows.end)
    example, score, rows = example[order], score[order], rows.where(order)
    # A window has each span once, so only questions with several windows can have a span twice. A
    # stable sort by span keeps equal spans in their order: by question, the best score first.
    shared = np.flatnonzero(_several_windows(rows.window, example))
    span = (rows.start.astype(np.int64) << 32) + rows.end
    by_span = shared[np.argsort(span[shared], kind="stable")]
    again = by_span[1:][(np.diff(span[by_span]) == 0) & (np.diff(example[by_span]) == 0)]
    kept = np.ones(len(order), bool)
    kept[again] = False
    here = np.bincount(example[kept])
    known = counts[first : first + len(here)]
    if np.any(known[here > 0]):
        raise ValueError("the candidates of one question are in parts that are no neighbours")
    known += here
    pieces.append((rows.example[kept], rows.start[kept], rows.end[kept], score[kept]))


def _rank(example: Any, score: Any, start: Any, end: Any) -> Any:
    """Returns the order by example, then higher score, earlier start and earlier end."""
    # Each row gets one integer. The bits of float32 sort like integers if negative ones are turned.
    bits = (score.astype(np.float32) + np.float32(0)).view(np.int32).astype(np.int64)
    rising = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    key = (example << 32) - rising
    # Candidates are nearly sorted, which makes this sort fast.
    order = np.argsort(key, kind="stable")
    key = key[order]
    tied = np.zeros(len(order), bool)
    equal = key[1:] == key[:-1]
    tied[1:] |= equal
    tied[:-1] |= equal
    rows = order[tied]
    order[tied] = rows[np.lexsort((end[rows], start[rows], key[tied]))]
    return order


def _several_windows(window: Any, example: Any) -> Any:
    """Returns True for the rows of examples that have candidates from several windows."""
    count = int(example[-1]) + 1 if len(example) else 0
    low = np.full(count, np.iinfo(window.dtype).max, window.dtype)
    high = np.full(count, -1, window.dtype)
    np.minimum.at(low, example, window)
    np.maximum.at(high, example, window)
    return (low < high)[example]


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
