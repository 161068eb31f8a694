"""Reads the windows of many examples without a copy of any token.

An example refers to its context, and the tokens of a context are stored once. A window is only a
number: the example's `room` and `step` tell which tokens it holds. So examples that share a long
context need little space on disk and in memory, however many windows they have.

Legend: E examples, N windows, L labels (windows that hold their example's answer).
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from squadron.artifacts import CUT_WINDOWS, EXTENTS
from squadron.data.layout import Layout

Longs = npt.NDArray[np.int64]

NULL_TOKEN = 0
"""The token that stands for "not answered here": the first one, which is a special token."""

EXAMPLES_PER_CHUNK = 4_096
WINDOWS_PER_CHUNK = 65_536
"""Limits of a chunk, both in force: 65,536 windows need about 10 MB of numbers."""


@dataclass(frozen=True)
class Cut:
    """Numbers of some windows. Token positions count from the first token of the window."""

    example_N: Longs
    """Row of the example in the table."""
    window_N: Longs
    """Number of the window within its example, from 0."""
    first_N: Longs
    """Place of the first context token among the tokens of all contexts."""
    context_length_N: Longs
    """Number of context tokens."""
    question_length_N: Longs
    context_start_N: Longs
    start_token_N: Longs
    """The answer's first token. If the answer is not here, it and end_token_N are NULL_TOKEN."""
    end_token_N: Longs
    reasoning_type_N: Longs

    @property
    def context_end_N(self) -> Longs:
        """The last context token, inclusive. If the context is empty, it is before the start."""
        return self.context_start_N + self.context_length_N - 1


class WindowTable:
    """Windows in order: example by example, window by window.

    Args:
        table: A table of schema `artifacts.WINDOWS`, memory-mapped or not. All contexts must be in
            one dictionary, as in the tables of `slide_windows` and `artifacts.read_windows`.
        layout: The layout of the tokenizer that made the windows.
        numbers: The numbers of the chosen windows, rising; None means all.
    """

    def __init__(
        self, table: pa.Table, layout: Layout, numbers: "range | Longs | None" = None
    ) -> None:
        self.table = table
        self.layout = layout
        counts = _numbers_of(table, "windows")
        self._firsts = np.concatenate([[0], np.cumsum(counts)])
        self._numbers = range(int(self._firsts[-1])) if numbers is None else numbers
        self._room_E, self._step_E, self._type_E = (
            _numbers_of(table, name) for name in ("room", "step", "reasoning_type")
        )
        contexts = _one_chunk(table["context"])
        self._context_E = contexts.indices.to_numpy()
        tokens = contexts.dictionary
        self._context_edges = tokens.field("input_ids").offsets.to_numpy()
        self.context_ids = tokens.field("input_ids").values.to_numpy()
        self.start_chars = tokens.field("start_chars").values.to_numpy()
        self.end_chars = tokens.field("end_chars").values.to_numpy()
        questions = _one_chunk(table["question_ids"])
        self._question_edges = questions.offsets.to_numpy()
        self._question_ids = questions.values.to_numpy()

    def __len__(self) -> int:
        return len(self._numbers)

    @property
    def num_rows(self) -> int:
        """The number of windows."""
        return len(self._numbers)

    def take(self, places: Any) -> "WindowTable":
        """Returns some of the windows, by their places among these in rising order."""
        places = np.asarray(places, np.int64)
        if isinstance(self._numbers, range):
            return self._with(places + self._numbers.start)
        return self._with(self._numbers[places])

    def slice(self, first: int, count: int | None = None) -> "WindowTable":
        """Returns `count` windows from the place `first` on, or all from there on."""
        return self._with(self._numbers[first : None if count is None else first + count])

    def first_examples(self, count: int) -> "WindowTable":
        """Returns the windows of the first `count` examples of the table; 0 means all."""
        if not count or count >= self.table.num_rows:
            return self
        return self.slice(0, self._count_below(int(self._firsts[count])))

    def chunks(self) -> Iterator["WindowTable"]:
        """Yields these windows in parts that need little memory; no part is empty."""
        place = 0
        while place < len(self):
            example = int(np.searchsorted(self._firsts, self._numbers[place], side="right")) - 1
            # A chunk ends after a round number of examples, whichever windows were chosen.
            bound = (example // EXAMPLES_PER_CHUNK + 1) * EXAMPLES_PER_CHUNK
            bound = min(bound, self.table.num_rows)
            last = min(self._count_below(int(self._firsts[bound])), place + WINDOWS_PER_CHUNK)
            yield self.slice(place, last - place)
            place = last

    def _with(self, numbers: "range | Longs") -> "WindowTable":
        """Returns other windows of the same table."""
        other = copy.copy(self)
        other.__dict__.pop("cut", None)
        other._numbers = numbers
        return other

    def _count_below(self, number: int) -> int:
        """Counts the windows here that have a smaller number in the whole table."""
        if isinstance(self._numbers, range):
            return min(max(number - self._numbers.start, 0), len(self._numbers))
        return int(np.searchsorted(self._numbers, number))

    @cached_property
    def cut(self) -> Cut:
        """The numbers of all these windows. Use `chunks` first if there may be many windows."""
        numbers = np.asarray(self._numbers, np.int64)
        example_N = np.searchsorted(self._firsts, numbers, side="right") - 1
        window_N = numbers - self._firsts[example_N]
        context_N = self._context_E[example_N]
        start_N = window_N * self._step_E[example_N]
        length_N = self._context_edges[context_N + 1] - self._context_edges[context_N]
        question_length_N = np.diff(self._question_edges)[example_N]
        before, between = len(self.layout.before), len(self.layout.between)
        start_token_N, end_token_N = (np.full(len(numbers), NULL_TOKEN, np.int64) for _ in range(2))
        number_L, start_L, end_L = self._labels
        place_L = np.searchsorted(numbers, number_L)
        here = place_L < len(numbers)
        here[here] = numbers[place_L[here]] == number_L[here]
        start_token_N[place_L[here]] = start_L[here]
        end_token_N[place_L[here]] = end_L[here]
        return Cut(
            example_N=example_N,
            window_N=window_N,
            first_N=self._context_edges[context_N] + start_N,
            context_length_N=np.minimum(length_N - start_N, self._room_E[example_N]),
            question_length_N=question_length_N,
            context_start_N=before + question_length_N + between,
            start_token_N=start_token_N,
            end_token_N=end_token_N,
            reasoning_type_N=self._type_E[example_N],
        )

    @property
    def lengths(self) -> Longs:
        """The number of tokens of each window, including special tokens."""
        cut = self.cut
        return self.layout.special_count + cut.question_length_N + cut.context_length_N

    @cached_property
    def _labels(self) -> tuple[Longs, Longs, Longs]:
        """Number of the window in the whole table, first token and last token of each label."""
        labels = _one_chunk(self.table["labels"])
        flat = labels.flatten()
        counts = np.diff(labels.offsets.to_numpy())
        example_L = np.repeat(np.arange(len(labels)), counts)
        window_L, start_L, end_L = (
            flat.field(name).to_numpy().astype(np.int64)
            for name in ("window", "start_token", "end_token")
        )
        return self._firsts[example_L] + window_L, start_L, end_L

    def input_ids(self, place: int) -> npt.NDArray[np.int32]:
        """Returns the tokens of one window."""
        cut, layout = self.cut, self.layout
        example, first = cut.example_N[place], cut.first_N[place]
        question = self._question_edges[example : example + 2]
        return np.concatenate(
            [
                np.array(layout.before, np.int32),
                self._question_ids[question[0] : question[1]],
                np.array(layout.between, np.int32),
                self.context_ids[first : first + cut.context_length_N[place]],
                np.array(layout.after, np.int32),
            ]
        )

    def example_ids(self) -> pa.Array:
        """Returns the id of each window's example."""
        return _one_chunk(self.table["example_id"]).take(pa.array(self.cut.example_N))

    def extents(self) -> pa.Table:
        """Returns the characters that each window holds, of schema `artifacts.EXTENTS`."""
        cut = self.cut
        heads, tails = (np.zeros(len(self), np.int32) for _ in range(2))
        has = cut.context_length_N > 0
        heads[has] = self.start_chars[cut.first_N[has]]
        tails[has] = self.end_chars[(cut.first_N + cut.context_length_N - 1)[has]]
        columns = [self.example_ids(), pa.array(cut.window_N, pa.int32()), heads, tails]
        return pa.Table.from_arrays(columns, schema=EXTENTS)

    def expand(self) -> pa.Table:
        """Returns every window with all its tokens, as a table of schema `artifacts.CUT_WINDOWS`.

        This is for tests and for people who look at windows. It copies each context token once per
        window.
        """
        tables = [part._expand() for part in self.chunks()]
        return pa.concat_tables(tables) if tables else CUT_WINDOWS.empty_table()

    def to_pylist(self) -> list[dict[str, object]]:
        """Returns every window as a dictionary; see `expand`."""
        rows: list[dict[str, object]] = self.expand().to_pylist()
        return rows

    def _expand(self) -> pa.Table:
        cut = self.cut
        places = range(len(self))
        spans = [
            slice(first, first + length)
            for first, length in zip(cut.first_N, cut.context_length_N, strict=True)
        ]
        columns = {
            "example_id": self.example_ids(),
            "window": cut.window_N,
            "input_ids": [self.input_ids(place) for place in places],
            "start_chars": [self.start_chars[span] for span in spans],
            "end_chars": [self.end_chars[span] for span in spans],
            "context_start": cut.context_start_N,
            "context_end": cut.context_end_N,
            "start_token": cut.start_token_N,
            "end_token": cut.end_token_N,
            "reasoning_type": cut.reasoning_type_N,
        }
        arrays = [pa.array(columns[field.name], field.type) for field in CUT_WINDOWS]
        return pa.Table.from_arrays(arrays, schema=CUT_WINDOWS)


def _one_chunk(column: pa.ChunkedArray) -> Any:
    """Returns a column as one array; does not copy a column that is one array already."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _numbers_of(table: pa.Table, name: str) -> Longs:
    return np.asarray(table[name].to_numpy(), np.int64)
