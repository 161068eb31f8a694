"""Cuts examples into windows of tokens, labels them, and draws the ones without an answer.

Each context and each question is tokenised once, by the tokenizer's own threads. The windows follow
by array arithmetic, without a copy per window. The result equals what `tokenizers` gives for
(question, context) pairs with truncation "only_second" and the same stride; a property test checks
it.

Names: suffix E: one entry per example; L: one per label. `max_length` counts all tokens of a
window; `stride` is the number of context tokens that two neighbouring windows share.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from squadron.config import Windows
from squadron.data.labels import WindowPlan, find_labels, read_first_answers
from squadron.data.layout import Layout
from squadron.data.ranges import count_up, join_ranges
from squadron.data.tokens import Longs, Remembered, Tokens, tokenize
from squadron.data.window_columns import ContextColumns, OwnContexts, WindowColumns
from squadron.data.window_table import NULL_TOKEN, WindowTable
from squadron.errors import InputError

if TYPE_CHECKING:
    from tokenizers import Tokenizer


EXAMPLES_PER_PART = 16_384
"""How many examples are cut at a time, which bounds the memory."""


@dataclass(frozen=True)
class WindowCounts:
    """Counts for the log and for the metrics of the run."""

    windows: int
    examples: int
    cut_questions: int
    """Questions that were longer than allowed."""
    unreachable_answers: int
    """First answers that no window holds."""

    def plus(self, other: "WindowCounts") -> "WindowCounts":
        """Returns the counts of both together."""
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return WindowCounts(*map(sum, pairs))


def slide_windows(
    examples: pa.Table,
    tokenizer: "Tokenizer",
    layout: Layout,
    settings: Windows,
) -> tuple[WindowTable, WindowCounts]:
    """Cuts every example into windows; see `slide_parts`.

    Args:
        examples: A table of schema `artifacts.EXAMPLES`.
        tokenizer: Without truncation or padding.
        layout: The special tokens of this tokenizer.
        settings: Lengths in tokens.
    """
    parts = (
        examples.slice(first, EXAMPLES_PER_PART)
        for first in range(0, len(examples), EXAMPLES_PER_PART)
    )
    return slide_parts(parts, tokenizer, layout, settings)


def slide_parts(
    parts: Iterable[pa.Table],
    tokenizer: "Tokenizer",
    layout: Layout,
    settings: Windows,
    remembered: Remembered | None = None,
    folder: Path | None = None,
) -> tuple[WindowTable, WindowCounts]:
    """Cuts every example into windows, with one part of the examples in memory at a time.

    Args:
        parts: Tables of schema `artifacts.EXAMPLES`. The first answer is the one that trains.
        tokenizer: Without truncation or padding.
        layout: The special tokens of this tokenizer.
        settings: Lengths in tokens.
        remembered: Tokens of long contexts from earlier calls with the same tokenizer. Several
            splits may share such a context.
        folder: Where the windows lie in temporary files; None keeps them in memory.

    Returns:
        The windows, example by example, and their counts. The windows of a folder are mapped into
        memory, and their files vanish with them.

    Raises:
        InputError: If the longest question leaves room for no more than `stride` context tokens.
    """
    contexts = ContextColumns(tokenizer, remembered, folder)
    columns = WindowColumns(folder)
    counts = WindowCounts(0, 0, 0, 0)
    longest = 0
    for part in parts:
        questions, is_cut = _tokenize_questions(part, tokenizer, settings.max_question_length)
        longest = max(longest, int(questions.lengths.max(initial=0)))
        if _find_room(longest, layout, settings) <= settings.stride:
            continue  # The error names the longest question of all parts.
        own = contexts.add(part["context"])
        plan = _plan_windows(own, questions.lengths, layout, settings)
        answers = read_first_answers(part)
        labels = find_labels(own.tokens, plan, answers)
        context_start_E = len(layout.before) + questions.lengths + len(layout.between)
        columns.add(part, questions, own, plan, labels, context_start_E)
        found = int(answers.has_E.sum()), len(np.unique(labels.example_L))
        counts = counts.plus(
            WindowCounts(int(plan.count_E.sum()), len(part), int(is_cut.sum()), found[0] - found[1])
        )
    _check_stride(longest, layout, settings)
    return WindowTable(columns.table(contexts.array()), layout), counts


def limit_negatives(windows: WindowTable, limit: int, seed: int) -> WindowTable:
    """Keeps all windows with an answer and, for each example, at most `limit` without one.

    Args:
        windows: Some or all windows of a table.
        limit: Windows without an answer per example; 0 keeps all.
        seed: The same seed draws the same windows.

    Returns:
        The windows that are kept, in their order; `windows` itself if nothing is dropped.
    """
    if not limit:
        return windows
    random = np.random.default_rng(seed)
    kept, place = [np.zeros(0, np.int64)], 0
    # The windows of an example may lie in two chunks. Its lowest draws of both are kept.
    drawn = _Drawn.empty()
    for chunk in windows.chunks():
        negative = np.flatnonzero(chunk.cut.start_token_N == NULL_TOKEN)
        positive = np.flatnonzero(chunk.cut.start_token_N != NULL_TOKEN)
        new = _Drawn(chunk.cut.example_N[negative], random.random(len(negative)), negative + place)
        drawn = drawn.joined(new)
        is_open = drawn.example == chunk.cut.example_N[-1]
        lowest = drawn.lowest(limit)
        kept += [positive + place, lowest.place[lowest.example != chunk.cut.example_N[-1]]]
        drawn = drawn.where(is_open).lowest(limit)
        place += len(chunk)
    places = np.sort(np.concatenate([*kept, drawn.place]))
    return windows if len(places) == len(windows) else windows.take(places)


def covering_length(windows: WindowTable, unreachable: int, share: float = 0.95) -> int:
    """Returns the fewest tokens that hold at least a share of the answers.

    Args:
        windows: All windows of a table.
        unreachable: Number of answers that no window holds. They count as longer than all others.
        share: Above 0, up to 1.

    Returns:
        1 or more. If the share can only be reached with unreachable answers: the length of the
        longest answer in the windows. 0 if no window has an answer.
    """
    labels = windows.table["labels"].combine_chunks()
    counts = pc.list_value_length(labels).to_numpy()
    flat = labels.flatten()
    # An answer counts once: in the first window that holds it.
    first = (np.cumsum(counts) - counts)[counts > 0]
    if not len(first):
        return 0
    starts, ends = (flat.field(name).to_numpy()[first] for name in ("start_token", "end_token"))
    lengths = np.sort(ends - starts + 1)
    needed = int(np.ceil(share * (len(lengths) + unreachable) - 1e-9))
    return int(lengths[min(needed, len(lengths)) - 1])


@dataclass(frozen=True)
class _Drawn:
    """Windows without an answer, each with a random number."""

    example: Longs
    number: npt.NDArray[np.float64]
    place: Longs

    @classmethod
    def empty(cls) -> "_Drawn":
        return cls(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))

    def joined(self, other: "_Drawn") -> "_Drawn":
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return _Drawn(*(np.concatenate(pair) for pair in pairs))

    def where(self, chosen: Any) -> "_Drawn":
        return _Drawn(*(column[chosen] for column in vars(self).values()))

    def lowest(self, limit: int) -> "_Drawn":
        """Returns the windows with the `limit` lowest numbers of each example."""
        if not len(self.example):
            return self
        order = np.lexsort((self.number, self.example))
        rank = count_up(np.unique(self.example, return_counts=True)[1])
        return self.where(order[rank < limit])


def _tokenize_questions(
    examples: pa.Table, tokenizer: "Tokenizer", limit: int
) -> tuple[Tokens, npt.NDArray[np.bool_]]:
    """Returns the first `limit` tokens of each question, and which questions were longer."""
    tokens = tokenize(tokenizer, examples["question"].to_pylist(), with_offsets=False)
    lengths = np.minimum(tokens.lengths, limit)
    kept = join_ranges(tokens.edges[:-1], lengths)
    edges = np.concatenate([[0], np.cumsum(lengths)])
    cut = replace(tokens, ids=tokens.ids[kept], edges=edges, lengths=lengths)
    return cut, tokens.lengths > limit


def _find_room(question_length: Any, layout: Layout, settings: Windows) -> Any:
    """Returns how many context tokens fit beside questions of some lengths."""
    return settings.max_length - layout.special_count - question_length


def _check_stride(longest: int, layout: Layout, settings: Windows) -> None:
    """Refuses a stride that is not smaller than the room beside the longest question."""
    room = _find_room(longest, layout, settings)
    if room <= settings.stride:
        raise InputError(
            f"windows -> stride: {settings.stride} leaves no progress with a question of {longest} "
            f"tokens: it must be below {room}; "
            "lower stride or max_question_length, or raise max_length"
        )


def _plan_windows(
    contexts: OwnContexts, question_length_E: Longs, layout: Layout, settings: Windows
) -> WindowPlan:
    """Computes where the windows of each example lie."""
    room_E = _find_room(question_length_E, layout, settings)
    step_E = room_E - settings.stride
    length_E = contexts.tokens.lengths[contexts.place_E]
    count_E = 1 + np.maximum(0, -(-(length_E - room_E) // step_E))
    return WindowPlan(contexts.place_E, room_E, step_E, count_E)
