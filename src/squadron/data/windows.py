"""Sliding windows: examples in, token windows with character offsets out; and spans between both.

Some tokenizers count the blank before a word as part of its token, others do not. Offsets are
therefore trimmed once, here: a token starts at the first character from its start on that is no
blank, and ends behind the last one before its end. A span of tokens thus never begins or ends with
a blank. A token of blanks alone starts behind its end and covers nothing.

Each context and each question is tokenised once, by the tokenizer's own threads, and the windows
follow by array arithmetic, without a copy per window. The result equals what `tokenizers` gives for
(question, context) pairs with truncation "only_second" and the same stride; a property test holds
that.

Legend of names: characters are half-open, tokens inclusive. `max_length` counts every token of a
window; `stride` is the number of context tokens that two neighbouring windows share.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from squadron.artifacts import WINDOWS
from squadron.config import Windows
from squadron.data.labels import find_labels, read_first_answers
from squadron.data.layout import Layout
from squadron.data.question_types import TYPES, UNKNOWN
from squadron.data.ranges import join_ranges
from squadron.data.tokens import Ints, Longs, Remembered, Tokens, tokenize
from squadron.data.window_table import WindowTable
from squadron.errors import InputError

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class WindowCounts:
    """What windowing did, for the log and the run's metrics."""

    windows: int
    examples: int
    cut_questions: int
    unreachable_answers: int


def slide_windows(
    examples: pa.Table,
    tokenizer: "Tokenizer",
    layout: Layout,
    settings: Windows,
    remembered: "Remembered | None" = None,
) -> tuple[WindowTable, WindowCounts]:
    """Cuts every example into windows.

    Args:
        examples: A table of schema `artifacts.EXAMPLES`. The first answer is the one that trains.
        tokenizer: Without truncation or padding of its own.
        layout: Of that tokenizer.
        settings: In tokens.
        remembered: Tokens of long contexts, kept from call to call, as several splits may share
            one. Only for calls with the same tokenizer.

    Returns:
        The windows, example by example; and counts.
    """
    contexts = _one_dictionary(examples["context"])
    # A slice of a table has the contexts of the whole table in its dictionary.
    used, context_E = np.unique(contexts.indices.to_numpy(), return_inverse=True)
    texts = contexts.dictionary.take(pa.array(used)).to_pylist()
    tokens = tokenize(tokenizer, texts, with_offsets=True, remembered=remembered)
    questions = tokenize(tokenizer, examples["question"].to_pylist(), with_offsets=False)

    question_length_E = np.minimum(questions.lengths, settings.max_question_length)
    cut = int((questions.lengths > settings.max_question_length).sum())
    room_E = settings.max_length - layout.special_count - question_length_E
    if (room_E <= settings.stride).any():
        worst = int(question_length_E.max())
        raise InputError(
            f"windows -> stride: {settings.stride} leaves no progress with a question of {worst} "
            f"tokens: it must be below {settings.max_length - layout.special_count - worst}; "
            "lower stride or max_question_length, or raise max_length"
        )
    step_E = room_E - settings.stride
    length_E = tokens.lengths[context_E]
    count_E = 1 + np.maximum(0, -(-(length_E - room_E) // step_E))
    has_answer_E, first_E, last_E = read_first_answers(examples)
    example_L, window_L, start_L, end_L = find_labels(
        tokens, context_E, room_E, step_E, count_E, has_answer_E, first_E, last_E
    )
    context_start_L = (len(layout.before) + question_length_E + len(layout.between))[example_L]
    labels = pa.StructArray.from_arrays(
        [
            pa.array(window_L, pa.int32()),
            pa.array(start_L + context_start_L, pa.int32()),
            pa.array(end_L + context_start_L, pa.int32()),
        ],
        fields=list(WINDOWS.field("labels").type.value_type),
    )
    label_edges = np.concatenate([[0], np.cumsum(np.bincount(example_L, minlength=len(count_E)))])
    kept = join_ranges(questions.edges[:-1], question_length_E)
    question_edges = np.concatenate([[0], np.cumsum(question_length_E)])
    table = pa.Table.from_arrays(
        [
            examples["id"].combine_chunks(),
            _list(question_edges, questions.ids[kept]),
            _context_column(tokens, context_E),
            pa.array(room_E, pa.int32()),
            pa.array(step_E, pa.int32()),
            pa.array(count_E, pa.int32()),
            pa.LargeListArray.from_arrays(pa.array(label_edges, pa.int64()), labels),
            pc.index_in(
                examples["reasoning_type"].combine_chunks(), value_set=pa.array(TYPES)
            ).fill_null(UNKNOWN),
        ],
        schema=WINDOWS,
    )
    unreachable = int(has_answer_E.sum() - len(np.unique(example_L)))
    return WindowTable(table, layout), WindowCounts(
        int(count_E.sum()), len(count_E), cut, unreachable
    )


def covering_length(windows: WindowTable, unreachable: int, share: float = 0.95) -> int:
    """The fewest tokens that hold at least a share of the answers; answers count once each.

    Args:
        windows: All windows of a table.
        unreachable: Answers that are in no window, hence longer than all others.
        share: Above 0, up to 1.

    Returns:
        1 or more; the longest answer of all windows where the share needs the unreachable ones,
        0 if no window has an answer.
    """
    labels = windows.table["labels"].combine_chunks()
    counts = pc.list_value_length(labels).to_numpy()
    flat = labels.flatten()
    # The first window that holds an answer speaks for it.
    first = (np.cumsum(counts) - counts)[counts > 0]
    if not len(first):
        return 0
    starts, ends = (flat.field(name).to_numpy()[first] for name in ("start_token", "end_token"))
    lengths = np.sort(ends - starts + 1)
    needed = int(np.ceil(share * (len(lengths) + unreachable) - 1e-9))
    return int(lengths[min(needed, len(lengths)) - 1])


def _one_dictionary(column: pa.ChunkedArray) -> Any:
    """A column of texts as one array with one dictionary."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    return column.unify_dictionaries().combine_chunks()


def _list(edges: Longs, values: Ints) -> pa.Array:
    return pa.LargeListArray.from_arrays(pa.array(edges, pa.int64()), pa.array(values, pa.int32()))


def _context_column(tokens: "Tokens", context_E: Any) -> pa.DictionaryArray:
    """The tokens of all contexts as a dictionary, and which of them each example has."""
    columns = (tokens.ids, tokens.start_chars, tokens.end_chars)
    return pa.DictionaryArray.from_arrays(
        pa.array(context_E, pa.int32()),
        pa.StructArray.from_arrays(
            [_list(tokens.edges, column) for column in columns],
            fields=list(WINDOWS.field("context").type.value_type),
        ),
    )
