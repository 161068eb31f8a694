"""Which windows hold an answer."""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from squadron.data.ranges import count_up
from squadron.data.tokens import Longs, Tokens


def read_first_answers(examples: pa.Table) -> tuple[Any, Any, Any]:
    """(has an answer, first character, one past the last) of each example's first answer."""
    answers = examples["answers"].combine_chunks()
    has_answer = pc.greater(pc.list_value_length(answers), 0).to_numpy(zero_copy_only=False)
    first = np.zeros(len(answers), np.int64)
    last = np.zeros(len(answers), np.int64)
    if has_answer.any():
        # The flat answers of a sliced list start where the slice starts.
        flat = answers.flatten()
        lengths = pc.list_value_length(answers).to_numpy()
        leading = (np.cumsum(lengths) - lengths)[has_answer]
        starts = pc.struct_field(flat, "start_char").to_numpy()[leading]
        # In characters, as Python counts them.
        sizes = pc.utf8_length(pc.struct_field(flat, "text")).to_numpy()[leading]
        first[has_answer] = starts
        last[has_answer] = starts + sizes
    return has_answer, first, last


def find_labels(
    tokens: Tokens,
    context_E: Any,
    room_E: Longs,
    step_E: Longs,
    count_E: Longs,
    has_answer_E: Any,
    first_E: Longs,
    last_E: Longs,
) -> tuple[Longs, Longs, Longs, Longs]:
    """Which windows hold an answer, and where: (example, window, first and last token) of each.

    A window holds an answer if it begins at or before the answer's first character and ends at or
    behind its last one. Tokens are counted from the window's first context token.

    The span holds every token that overlaps the answer: one that cuts into a token takes the whole
    token, and a character that byte-level tokenizers give as several tokens comes with all of them.
    Where a tokenizer dropped the answer's edge, the neighbouring token makes up for it.

    Offsets never go back from token to token. So a binary search in the context finds the tokens,
    and the windows that hold them follow by arithmetic: no window is looked at.
    """
    rows = np.flatnonzero(has_answer_E & (tokens.lengths[context_E] > 0))
    context = context_E[rows]
    room, step, count = room_E[rows], step_E[rows], count_E[rows]
    first, last = first_E[rows], last_E[rows]
    head, length = tokens.edges[context], tokens.lengths[context]
    # Offsets of all contexts in one rising sequence, so that one search serves every example.
    base = np.cumsum(tokens.sizes + 1) - tokens.sizes - 1
    base_T = np.repeat(base, tokens.lengths)
    starts, ends = (
        np.maximum.accumulate(side + base_T) for side in (tokens.start_chars, tokens.end_chars)
    )

    def count_tokens(flat: Longs, character: Longs, side: str) -> Longs:
        """Of its context: how many begin (or end) below a character, or up to it ("right")."""
        find = np.searchsorted
        place = find(flat, character + base[context], side="left" if side == "left" else "right")
        return np.asarray(place - head, np.int64)

    begun, ended = count_tokens(starts, first, "right"), count_tokens(ends, first, "right")
    ended_before, begun_before = (
        count_tokens(ends, last, "left"),
        count_tokens(starts, last, "left"),
    )
    # The window's first token begins at or before the answer ...
    highest = np.where(begun > 0, np.minimum((begun - 1) // step, count - 1), -1)
    # ... and its last token ends at or behind it; the last window ends with the context.
    lowest = np.maximum(-(-(ended_before + 1 - room) // step), 0)
    lowest = np.where(ended_before < length, np.minimum(lowest, count - 1), count)
    found = np.maximum(highest - lowest + 1, 0)
    owner = np.repeat(np.arange(len(rows)), found)
    window = lowest[owner] + count_up(found)
    skipped = window * step[owner]
    size = np.minimum(length[owner] - skipped, room[owner])

    def inside(tokens_before: Longs) -> Longs:
        return np.asarray(np.clip(tokens_before[owner] - skipped, 0, size), np.int64)

    start = np.minimum(inside(begun) - 1, inside(ended))
    end = np.maximum(inside(ended_before), inside(begun_before) - 1)
    return rows[owner], window, start, end
