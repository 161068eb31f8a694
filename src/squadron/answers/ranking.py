"""Candidates -> one answer per question: merging, ranking, and when not to answer.

A candidate's score is its log-odds against the no-answer hypothesis of its own window, so windows
of different lengths compare. A question is answered when its best score exceeds the null threshold.

The rule `lowest_null` is the literature's instead (Devlin et al. 2019): spans of all windows
compare by their summed logits, and stand against the lowest no-answer score of any window of the
question.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from squadron.config import ANSWER_RULES

NO_CANDIDATE_ODDS = 1e30
"""Null odds of a question without a candidate: above any score, finite as JSON needs it."""


@dataclass(frozen=True)
class Ranked:
    """Merged candidates of E questions, flat, best first, no span twice.

    Question e has the rows edges[e] to edges[e + 1] - 1.
    """

    edges: npt.NDArray[np.int64]
    start_char: npt.NDArray[np.int32]
    end_char: npt.NDArray[np.int32]
    score: npt.NDArray[np.float32]

    def best_score(self) -> npt.NDArray[np.float64]:
        """Score of each question's best candidate, -inf where it has none; shape (E,)."""
        best = np.full(len(self.edges) - 1, -np.inf)
        has = self.edges[1:] > self.edges[:-1]
        best[has] = self.score[self.edges[:-1][has]]
        return best

    def best_span(self) -> npt.NDArray[np.int64]:
        """Start and end character of each question's best candidate, -1 where none; (E, 2)."""
        spans = np.full((len(self.edges) - 1, 2), -1, np.int64)
        has = self.edges[1:] > self.edges[:-1]
        first = self.edges[:-1][has]
        spans[has] = np.stack([self.start_char[first], self.end_char[first]], axis=1)
        return spans


def rank_candidates(
    candidates: pa.Table, example_ids: Sequence[str], rule: str = "window"
) -> Ranked:
    """Merges the candidates of all windows by character span (the best score is kept) and ranks.

    Ties go to the earlier and then the shorter span, so the order of windows changes nothing.

    Args:
        candidates: Of schema `artifacts.CANDIDATES`; those of unknown examples are ignored.
        example_ids: The questions, in the order of the result.
        rule: One of config.ANSWER_RULES, by which windows compare. By `lowest_null` scores are
            start + end minus the lowest null score of the question's windows that have candidates.
    """
    return rank_parts([candidates], example_ids, rule)


def rank_parts(
    parts: Iterable[pa.Table], example_ids: Sequence[str], rule: str = "window"
) -> Ranked:
    """As `rank_candidates` of all parts together, with one part at a time in memory.

    Args:
        parts: Of candidates. Those of one question stand in one part or in neighbouring ones, as
            predict writes them.
        example_ids: As for `rank_candidates`.
        rule: Likewise.

    Raises:
        ValueError: If a question comes back after another part has ended it.
    """
    if rule not in ANSWER_RULES:
        raise ValueError(f"rule is {rule!r}; it must be one of {ANSWER_RULES}")
    numbers = {name: number for number, name in enumerate(example_ids)}
    counts = np.zeros(len(example_ids), np.int64)
    pieces: list[_Piece] = []
    # The last question of a part may go on in the next one.
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
    """Candidates, a column each."""

    example: npt.NDArray[np.int32]
    """Numbers of the questions."""
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
        """Without those of unknown examples."""
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
        """Those of a mask or of row numbers."""
        return _Rows(*(column[chosen] for column in vars(self).values()))


# Ranked rows of whole questions: example, start, end and score.
_Piece = tuple[Any, Any, Any, Any]


def _close(rows: _Rows, rule: str, counts: npt.NDArray[np.int64], pieces: list[_Piece]) -> None:
    """Ranks whole questions, adds the rows that are kept to `pieces` and their number to counts."""
    if not len(rows.example):
        return
    first = int(rows.example.min())
    # From 0, so that nothing below is as long as all examples.
    example = rows.example.astype(np.int64) - first
    score = rows.score
    if rule == "lowest_null":
        lowest = np.full(int(example.max()) + 1, np.inf, np.float32)
        np.minimum.at(lowest, example, rows.null)
        score = score + (rows.null - lowest[example])
    order = _rank(example, score, rows.start, rows.end)
    example, score, rows = example[order], score[order], rows.where(order)
    # A window has a span once, so only questions with several windows can have it twice. A stable
    # sort by span keeps equal ones in their order: by question, the best one first.
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
    """The order by example, then the higher score, the earlier start and the earlier end."""
    # One integer per row: float32 bits order as integers do once negative ones are turned round.
    bits = (score.astype(np.float32) + np.float32(0)).view(np.int32).astype(np.int64)
    rising = np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)
    key = (example << 32) - rising
    # Candidates come nearly sorted, which this sort makes use of.
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
    """True for the rows of examples whose rows are of more than one window."""
    count = int(example[-1]) + 1 if len(example) else 0
    low = np.full(count, np.iinfo(window.dtype).max, window.dtype)
    high = np.full(count, -1, window.dtype)
    np.minimum.at(low, example, window)
    np.maximum.at(high, example, window)
    return (low < high)[example]


def best_texts(ranked: Ranked, contexts: Sequence[str]) -> list[str]:
    """The text of each question's best span, "" where there is none."""
    texts = []
    for number, context in enumerate(contexts):
        first = ranked.edges[number]
        has = first < ranked.edges[number + 1]
        texts.append(context[ranked.start_char[first] : ranked.end_char[first]] if has else "")
    return texts


def all_texts(ranked: Ranked, contexts: Sequence[str]) -> Iterator[list[str]]:
    """The texts of all candidates of each question, best first; one question after the other."""
    for number, context in enumerate(contexts):
        rows = slice(ranked.edges[number], ranked.edges[number + 1])
        spans = zip(ranked.start_char[rows].tolist(), ranked.end_char[rows].tolist(), strict=True)
        yield [context[start:end] for start, end in spans]


def apply_threshold(
    texts: Sequence[str], best_score: npt.NDArray[np.float64], threshold: float | None
) -> list[str]:
    """Empties the answer of each question whose best score does not exceed the threshold.

    None answers everything.
    """
    if threshold is None:
        return list(texts)
    return [
        text if score > threshold else "" for text, score in zip(texts, best_score, strict=True)
    ]


def null_odds(best_score: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """How likely each question is unanswerable, for the official script: higher is more likely.

    A question whose odds are below minus the null threshold is answered. Where there is no
    candidate, they are a large finite number.
    """
    return np.where(np.isfinite(best_score), 0.0 - best_score, NO_CANDIDATE_ODDS)


def find_threshold(
    best_score: npt.NDArray[np.float64],
    exact: npt.NDArray[np.float64],
    has_answer: npt.NDArray[np.bool_],
) -> float | None:
    """The null threshold with the highest exact match (or F1), searched over all there are.

    To be searched on the tune split only. Of equally good thresholds the one that answers most
    questions wins.

    Args:
        best_score: Of each question's best candidate, shape (E,).
        exact: 1 where that candidate is right, shape (E,); or its F1, 0 to 1.
        has_answer: Shape (E,).

    Returns:
        Half-way between two scores; None (answer everything) if every question has an answer:
        then there is nothing to learn abstaining from.
    """
    if has_answer.all():
        return None
    # A question without a candidate stays unanswered at any threshold.
    scored = np.isfinite(best_score)
    best_score, exact, has_answer = best_score[scored], exact[scored], has_answer[scored]
    order = np.argsort(-best_score, kind="stable")
    score = best_score[order]
    # Answering the k best-scored questions: right answers among them, rightly empty among the rest.
    gain = exact[order].astype(np.float64) - ~has_answer[order]
    total = np.concatenate([[0.0], np.cumsum(gain)])
    # k is possible only where the score really drops.
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
    return middle if middle < above else below  # neighbouring floats have nothing between them


def rank_as_dicts(
    ranked: Ranked, contexts: Sequence[str], n_best: int
) -> Iterator[list[dict[str, Any]]]:
    """The n best of each question as {text, start_char, end_char, score}, for nbest.json.

    One question after the other: all of them together would be the most that evaluate holds.
    """
    for number, context in enumerate(contexts):
        first = ranked.edges[number]
        kept = slice(first, min(ranked.edges[number + 1], first + n_best))
        # Lists: reading numpy's numbers one at a time would take most of the time.
        columns = (ranked.start_char[kept], ranked.end_char[kept], ranked.score[kept])
        yield [
            {"text": context[start:end], "start_char": start, "end_char": end, "score": score}
            for start, end, score in zip(*(column.tolist() for column in columns), strict=True)
        ]
