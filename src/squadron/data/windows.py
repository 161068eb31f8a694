"""Cuts examples into windows of tokens, labels them, and draws the ones without an answer.

Each context and each question is tokenised once, by the tokenizer's own threads. The windows follow
by array arithmetic, without a copy per window. The result equals what `tokenizers` gives for
(question, context) pairs with truncation "only_second" and the same stride; a property test checks
it.

Names: suffix E: one entry per example; L: one per label. `max_length` counts all tokens of a
window; `stride` is the number of context tokens that two neighbouring windows share.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from squadron.artifacts import WINDOWS
from squadron.config import Windows
from squadron.data.labels import Labels, WindowPlan, find_labels, read_first_answers
from squadron.data.layout import Layout
from squadron.data.question_types import TYPES, UNKNOWN
from squadron.data.ranges import count_up, join_ranges
from squadron.data.tokens import Ints, Longs, Remembered, Tokens, tokenize
from squadron.data.window_table import NULL_TOKEN, WindowTable
from squadron.errors import InputError

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class WindowCounts:
    """Counts for the log and for the metrics of the run."""

    windows: int
    examples: int
    cut_questions: int
    """Questions that were longer than allowed."""
    unreachable_answers: int
    """First answers that no window holds."""


def slide_windows(
    examples: pa.Table,
    tokenizer: "Tokenizer",
    layout: Layout,
    settings: Windows,
    remembered: Remembered | None = None,
) -> tuple[WindowTable, WindowCounts]:
    """Cuts every example into windows.

    Args:
        examples: A table of schema `artifacts.EXAMPLES`. The first answer is the one that trains.
        tokenizer: Without truncation or padding.
        layout: The special tokens of this tokenizer.
        settings: Lengths in tokens.
        remembered: Tokens of long contexts from earlier calls with the same tokenizer. Several
            splits may share such a context.

    Returns:
        The windows, example by example, and their counts.

    Raises:
        InputError: If the longest question leaves room for no more than `stride` context tokens.
    """
    contexts, context_E = _tokenize_contexts(examples["context"], tokenizer, remembered)
    questions = tokenize(tokenizer, examples["question"].to_pylist(), with_offsets=False)
    question_length_E = np.minimum(questions.lengths, settings.max_question_length)

    plan = _plan_windows(contexts, context_E, question_length_E, layout, settings)
    answers = read_first_answers(examples)
    labels = find_labels(contexts, plan, answers)

    context_start_E = len(layout.before) + question_length_E + len(layout.between)
    table = pa.Table.from_arrays(
        [
            examples["id"].combine_chunks(),
            _question_column(questions, question_length_E),
            _context_column(contexts, context_E),
            pa.array(plan.room_E, pa.int32()),
            pa.array(plan.step_E, pa.int32()),
            pa.array(plan.count_E, pa.int32()),
            _label_column(labels, context_start_E),
            _type_column(examples["reasoning_type"]),
        ],
        schema=WINDOWS,
    )
    counts = WindowCounts(
        windows=int(plan.count_E.sum()),
        examples=len(plan.count_E),
        cut_questions=int((questions.lengths > settings.max_question_length).sum()),
        unreachable_answers=int(answers.has_E.sum() - len(np.unique(labels.example_L))),
    )
    return WindowTable(table, layout), counts


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


def _tokenize_contexts(
    column: pa.ChunkedArray, tokenizer: "Tokenizer", remembered: Remembered | None
) -> tuple[Tokens, Longs]:
    """Returns the tokens of the different contexts, and which of these each example has."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    contexts: Any = column.unify_dictionaries().combine_chunks()
    # The dictionary of a sliced table holds the contexts of the whole table.
    used, context_E = np.unique(contexts.indices.to_numpy(), return_inverse=True)
    texts = contexts.dictionary.take(pa.array(used)).to_pylist()
    return tokenize(tokenizer, texts, with_offsets=True, remembered=remembered), context_E


def _plan_windows(
    contexts: Tokens,
    context_E: Longs,
    question_length_E: Longs,
    layout: Layout,
    settings: Windows,
) -> WindowPlan:
    """Computes where the windows of each example lie."""
    room_E = settings.max_length - layout.special_count - question_length_E
    if (room_E <= settings.stride).any():
        worst = int(question_length_E.max())
        raise InputError(
            f"windows -> stride: {settings.stride} leaves no progress with a question of {worst} "
            f"tokens: it must be below {settings.max_length - layout.special_count - worst}; "
            "lower stride or max_question_length, or raise max_length"
        )
    step_E = room_E - settings.stride
    count_E = 1 + np.maximum(0, -(-(contexts.lengths[context_E] - room_E) // step_E))
    return WindowPlan(context_E, room_E, step_E, count_E)


def _question_column(questions: Tokens, length_E: Longs) -> pa.Array:
    """Returns the tokens of each question, cut to the given lengths."""
    kept = join_ranges(questions.edges[:-1], length_E)
    return _list_column(np.concatenate([[0], np.cumsum(length_E)]), questions.ids[kept])


def _context_column(contexts: Tokens, context_E: Longs) -> pa.DictionaryArray:
    """Returns the tokens of all contexts as a dictionary, and which of them each example has."""
    columns = (contexts.ids, contexts.start_chars, contexts.end_chars)
    return pa.DictionaryArray.from_arrays(
        pa.array(context_E, pa.int32()),
        pa.StructArray.from_arrays(
            [_list_column(contexts.edges, column) for column in columns],
            fields=list(WINDOWS.field("context").type.value_type),
        ),
    )


def _label_column(labels: Labels, context_start_E: Longs) -> pa.Array:
    """Returns the labels of each example, with positions counted from the window's first token."""
    context_start_L = context_start_E[labels.example_L]
    rows = pa.StructArray.from_arrays(
        [
            pa.array(labels.window_L, pa.int32()),
            pa.array(labels.start_L + context_start_L, pa.int32()),
            pa.array(labels.end_L + context_start_L, pa.int32()),
        ],
        fields=list(WINDOWS.field("labels").type.value_type),
    )
    count_E = np.bincount(labels.example_L, minlength=len(context_start_E))
    edges = np.concatenate([[0], np.cumsum(count_E)])
    return pa.LargeListArray.from_arrays(pa.array(edges, pa.int64()), rows)


def _type_column(names: pa.ChunkedArray) -> pa.Array:
    """Returns the number of each example's type of reasoning."""
    return pc.index_in(names.combine_chunks(), value_set=pa.array(TYPES)).fill_null(UNKNOWN)


def _list_column(edges: Longs, values: Ints) -> pa.Array:
    """Returns an array of lists: list e has `values[edges[e]:edges[e + 1]]`."""
    return pa.LargeListArray.from_arrays(pa.array(edges, pa.int64()), pa.array(values, pa.int32()))
