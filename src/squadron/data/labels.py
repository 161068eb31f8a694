"""Finds the windows that hold an answer, and the answer's tokens in them.

Names: E examples; A answers (examples with an answer and a context that has tokens); L labels (a
window together with the answer that it holds). Characters are half-open, tokens inclusive.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from squadron.data.ranges import count_up
from squadron.data.tokens import Longs, Tokens


@dataclass(frozen=True)
class WindowPlan:
    """Where the windows of each example lie in its context.

    Window w of example e holds the context tokens from w * step_E[e] on, room_E[e] at most.
    """

    context_E: Longs
    """Row of the example's context."""
    room_E: Longs
    """Number of context tokens that fit into a window."""
    step_E: Longs
    """Number of context tokens between the starts of two neighbouring windows."""
    count_E: Longs
    """Number of windows."""

    def take(self, rows: Longs) -> "WindowPlan":
        """Returns the plan of some examples."""
        return WindowPlan(*(column[rows] for column in vars(self).values()))


@dataclass(frozen=True)
class FirstAnswers:
    """The first answer of each example, which is the one that trains."""

    has_E: npt.NDArray[np.bool_]
    """Whether the example has an answer; without one, both characters are 0."""
    start_char_E: Longs
    end_char_E: Longs


@dataclass(frozen=True)
class Labels:
    """The windows that hold an answer, example by example and window by window."""

    example_L: Longs
    window_L: Longs
    """Number of the window within its example."""
    start_L: Longs
    """First token of the answer, counted from the first context token of the window."""
    end_L: Longs
    """Last token of the answer, counted likewise."""


@dataclass(frozen=True)
class _TokenCounts:
    """How many tokens of its context lie before the edges of each answer."""

    begun_A: Longs
    """Tokens that begin at or before the answer's first character."""
    ended_A: Longs
    """Tokens that end at or before it."""
    begun_before_end_A: Longs
    """Tokens that begin before the answer's end."""
    ended_before_end_A: Longs
    """Tokens that end before it."""


def read_first_answers(examples: pa.Table) -> FirstAnswers:
    """Returns the first answer of each example.

    Args:
        examples: Of schema `artifacts.EXAMPLES`.
    """
    answers = examples["answers"].combine_chunks()
    has_E = pc.greater(pc.list_value_length(answers), 0).to_numpy(zero_copy_only=False)
    start_char_E = np.zeros(len(answers), np.int64)
    end_char_E = np.zeros(len(answers), np.int64)
    if has_E.any():
        # The flat answers of a sliced list start where the slice starts.
        flat = answers.flatten()
        lengths = pc.list_value_length(answers).to_numpy()
        leading = (np.cumsum(lengths) - lengths)[has_E]
        starts = pc.struct_field(flat, "start_char").to_numpy()[leading]
        # utf8_length counts characters, as Python does.
        sizes = pc.utf8_length(pc.struct_field(flat, "text")).to_numpy()[leading]
        start_char_E[has_E] = starts
        end_char_E[has_E] = starts + sizes
    return FirstAnswers(has_E, start_char_E, end_char_E)


def find_labels(contexts: Tokens, plan: WindowPlan, answers: FirstAnswers) -> Labels:
    """Finds the windows that hold an answer, and the first and last token of the answer.

    A window holds an answer if it begins at or before the answer's first character and ends at or
    behind its last one.

    The span holds every token that overlaps the answer. If an answer begins or ends inside a token,
    the span has the whole token; if a byte-level tokenizer makes several tokens of one character,
    the span has all of them. Where the tokenizer dropped the edge of the answer, the neighbouring
    token takes its place.

    Args:
        contexts: Tokens of all contexts. Their offsets must not go back from token to token.
        plan: The windows of each example.
        answers: The answer of each example.
    """
    rows = np.flatnonzero(answers.has_E & (contexts.lengths[plan.context_E] > 0))
    planned = plan.take(rows)
    length_A = contexts.lengths[planned.context_E]
    counts = _count_tokens(
        contexts, planned.context_E, answers.start_char_E[rows], answers.end_char_E[rows]
    )
    first_window_A, found_A = _find_windows(counts, planned, length_A)
    # From here on by label: owner_L is the answer of each label.
    owner_L = np.repeat(np.arange(len(rows)), found_A)
    window_L = first_window_A[owner_L] + count_up(found_A)
    skipped_L = window_L * planned.step_E[owner_L]
    size_L = np.minimum(length_A[owner_L] - skipped_L, planned.room_E[owner_L])

    def count_inside(count_A: Longs) -> Any:
        """Returns how many of the counted tokens lie in each label's window."""
        return np.clip(count_A[owner_L] - skipped_L, 0, size_L)

    start_L = np.minimum(count_inside(counts.begun_A) - 1, count_inside(counts.ended_A))
    end_L = np.maximum(
        count_inside(counts.ended_before_end_A), count_inside(counts.begun_before_end_A) - 1
    )
    return Labels(rows[owner_L], window_L, start_L, end_L)


def _count_tokens(
    contexts: Tokens, context_A: Longs, start_char_A: Longs, end_char_A: Longs
) -> _TokenCounts:
    """Counts tokens by binary search over the offsets of all contexts at once."""
    # Each context gets its own range of characters, so that all offsets are one rising sequence.
    base = np.cumsum(contexts.sizes + 1) - contexts.sizes - 1
    base_T = np.repeat(base, contexts.lengths)
    starts_T, ends_T = (
        np.maximum.accumulate(chars + base_T)
        for chars in (contexts.start_chars, contexts.end_chars)
    )
    base_A, first_token_A = base[context_A], contexts.edges[context_A]

    def count_below(offsets_T: Longs, char_A: Longs) -> Longs:
        return np.asarray(np.searchsorted(offsets_T, char_A + base_A, "left") - first_token_A)

    def count_up_to(offsets_T: Longs, char_A: Longs) -> Longs:
        return np.asarray(np.searchsorted(offsets_T, char_A + base_A, "right") - first_token_A)

    return _TokenCounts(
        begun_A=count_up_to(starts_T, start_char_A),
        ended_A=count_up_to(ends_T, start_char_A),
        begun_before_end_A=count_below(starts_T, end_char_A),
        ended_before_end_A=count_below(ends_T, end_char_A),
    )


def _find_windows(counts: _TokenCounts, plan: WindowPlan, length_A: Longs) -> tuple[Longs, Longs]:
    """Finds by arithmetic which windows hold each answer, without a look at any window.

    Args:
        counts: Of the answers.
        plan: Of the answers' examples.
        length_A: Number of tokens of each answer's context.

    Returns:
        The number of the first window that holds each answer, and how many in a row hold it.
    """
    last_window_A = plan.count_E - 1
    # The first token of the window begins at or before the answer ...
    begun = (counts.begun_A - 1) // plan.step_E
    highest = np.where(counts.begun_A > 0, np.minimum(begun, last_window_A), -1)
    # ... and its last token ends at or behind it. The last window ends with the context.
    ended = counts.ended_before_end_A
    lowest = np.maximum(-(-(ended + 1 - plan.room_E) // plan.step_E), 0)
    lowest = np.where(ended < length_A, np.minimum(lowest, last_window_A), plan.count_E)
    return lowest, np.maximum(highest - lowest + 1, 0)
