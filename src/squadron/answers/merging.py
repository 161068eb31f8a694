"""Merges the candidates of all windows of a question by character span, and ranks them.

Tables with rows for each window are read part by part. Each row has the id of its question, for
which its number is needed: `number_rows`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from squadron.config import ANSWER_RULES

FindNumbers = Callable[[Sequence[str]], npt.NDArray[np.int64]]
"""Returns the number of each question by its id, -1 for one that is not known."""


def find_by_hash(ids: Iterable[str]) -> FindNumbers:
    """Returns a function that finds the numbers of questions by their ids.

    It keeps 16 bytes of each id. Two ids with the same 64 bits, which are as likely in a million as
    1 in 30 million, are refused.

    Raises:
        ValueError: If an id is there twice, or two have the same hash.
    """
    hashes = _hash(ids)
    order = np.argsort(hashes, kind="stable")
    known = hashes[order]
    if np.any(known[1:] == known[:-1]):
        raise ValueError("an id is there twice")

    def find_numbers(names: Sequence[str]) -> npt.NDArray[np.int64]:
        wanted = _hash(names)
        if not len(known):
            return np.full(len(wanted), -1, np.int64)
        place = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
        return np.where(known[place] == wanted, order[place], -1)

    return find_numbers


def _hash(names: Iterable[str]) -> npt.NDArray[np.int64]:
    return np.fromiter(map(hash, names), np.int64)


def number_rows(ids: pa.Array, find_numbers: FindNumbers) -> npt.NDArray[np.int32]:
    """Returns the number of the question of each row.

    Args:
        ids: The id of each row, dictionary-encoded or not.
        find_numbers: Is asked once for each row whose id differs from the one of the row before.
    """
    encoded = ids if pa.types.is_dictionary(ids.type) else ids.dictionary_encode()
    indices = encoded.indices.to_numpy()
    starts = np.flatnonzero(np.diff(indices, prepend=-1))
    names = encoded.dictionary.take(pa.array(indices[starts])).to_pylist()
    lengths = np.diff(starts, append=len(indices))
    return np.repeat(find_numbers(names).astype(np.int32), lengths)


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
    def read(cls, candidates: pa.Table, find_numbers: FindNumbers) -> "_Rows":
        """Reads a table, without the candidates of unknown examples."""
        pieces = []
        for batch in candidates.to_batches():
            example = number_rows(batch.column("example_id"), find_numbers)
            columns = ("window", "start_char", "end_char", "score", "null_score")
            rows = cls(example, *(batch.column(name).to_numpy() for name in columns))
            pieces.append(rows if example.min(initial=0) == 0 else rows.where(example >= 0))
        return cls.concatenate(pieces)

    def where(self, chosen: Any) -> "_Rows":
        """Returns the rows of a mask, or those with the given numbers."""
        return _Rows(*(column[chosen] for column in vars(self).values()))


class Piece(NamedTuple):
    """Merged and ranked candidates of whole questions, by the numbers of the questions."""

    example: npt.NDArray[np.int32]
    """Number of the question; no number is lower than the one before."""
    start: npt.NDArray[np.int32]
    end: npt.NDArray[np.int32]
    score: npt.NDArray[np.float32]


def rank_pieces(parts: Iterable[pa.Table], find_numbers: FindNumbers, rule: str) -> Iterator[Piece]:
    """Merges and ranks the candidates of all parts, with one part in memory at a time.

    Args:
        parts: Tables of schema `artifacts.CANDIDATES`. The candidates of one question must be in
            one part or in neighbouring parts, as predict writes them.
        find_numbers: Of questions by their ids.
        rule: One of config.ANSWER_RULES.
    """
    if rule not in ANSWER_RULES:
        raise ValueError(f"rule is {rule!r}; it must be one of {ANSWER_RULES}")
    # The last question of a part may continue in the next part.
    open_rows = _Rows.empty()
    for part in parts:
        rows = _Rows.concatenate([open_rows, _Rows.read(part, find_numbers)])
        is_last = rows.example == rows.example[-1:]
        if not is_last.all():
            yield _rank_whole(rows.where(~is_last), rule)
        open_rows = rows.where(is_last)
    if len(open_rows.example):
        yield _rank_whole(open_rows, rule)


def _rank_whole(rows: _Rows, rule: str) -> Piece:
    """Ranks the candidates of questions that are complete; there is at least one."""
    first = int(rows.example.min())
    # Numbers start from 0 here, so that no array below is as long as all examples.
    example = rows.example.astype(np.int64) - first
    score = score_by_rule(example, rows.score, rows.null, rule)
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
    return Piece(rows.example[kept], rows.start[kept], rows.end[kept], score[kept])


def score_by_rule(example: Any, score: Any, null: Any, rule: str) -> npt.NDArray[np.float32]:
    """Returns the scores of candidates as an answer rule counts them.

    Args:
        example: The number of each candidate's question, from 0. All candidates of a question that
            is there must be there.
        score: Log-odds against the null score of the candidate's own window.
        null: That null score.
        rule: One of config.ANSWER_RULES. With `lowest_null`, the lowest null score of the
            question's windows takes the place of the window's own.
    """
    found: npt.NDArray[np.float32] = score
    if rule == "lowest_null" and len(score):
        lowest = np.full(int(example.max()) + 1, np.inf, np.float32)
        np.minimum.at(lowest, example, null)
        found = score + (null - lowest[example])
    return found


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
