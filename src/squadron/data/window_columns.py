"""Collects the columns of a table of windows part by part, in memory or in temporary files.

Names: suffix E: one entry per example; L: one per label.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from squadron.artifacts import WINDOWS, Column
from squadron.data.labels import Labels, WindowPlan
from squadron.data.question_types import TYPES, UNKNOWN
from squadron.data.ranges import join_ranges
from squadron.data.tokens import Ints, Longs, Remembered, Tokens, tokenize

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class _Lists:
    """A column of lists of whole numbers."""

    def __init__(self, folder: Path | None) -> None:
        self.edges = Column(np.int64, folder)
        self.edges.add([0])
        self.values = Column(np.int32, folder)

    def add(self, lengths: Longs, values: Ints) -> None:
        self.edges.add(len(self.values) + np.cumsum(lengths))
        self.values.add(values)

    def array(self) -> pa.Array:
        return pa.LargeListArray.from_arrays(
            pa.array(self.edges.array()), pa.array(self.values.array())
        )


class OwnContexts(NamedTuple):
    """The contexts of some examples."""

    tokens: Tokens
    """Of each different context, without the ids."""
    place_E: Longs
    """Which of these each example has."""
    number_E: Longs
    """Number of each example's context among all contexts."""


class ContextColumns:
    """The tokens of all different contexts.

    Args:
        tokenizer: Without truncation or padding.
        remembered: As for `tokenize`.
        folder: Where temporary files lie; None keeps everything in memory.
    """

    def __init__(
        self, tokenizer: "Tokenizer", remembered: Remembered | None, folder: Path | None
    ) -> None:
        self._tokenizer, self._remembered = tokenizer, remembered
        self._numbers: dict[bytes, int] = {}
        self._ids, self._starts, self._ends = (_Lists(folder) for _ in range(3))
        self._sizes = Column(np.int64, folder)

    def add(self, column: pa.ChunkedArray) -> OwnContexts:
        """Tokenises the contexts that are new, and returns those of the column."""
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        contexts = column.unify_dictionaries().combine_chunks()
        # The dictionary of a sliced table holds the contexts of the whole table.
        used, place_E = np.unique(contexts.indices.to_numpy(), return_inverse=True)
        texts = contexts.dictionary.take(pa.array(used)).to_pylist()
        known = len(self._numbers)
        digests = (hashlib.blake2b(text.encode(), digest_size=16).digest() for text in texts)
        numbers = np.array(
            [self._numbers.setdefault(digest, len(self._numbers)) for digest in digests], np.int64
        )
        is_new = numbers >= known
        new = [text for text, chosen in zip(texts, is_new.tolist(), strict=True) if chosen]
        tokens = tokenize(self._tokenizer, new, with_offsets=True, remembered=self._remembered)
        self._ids.add(tokens.lengths, tokens.ids)
        self._starts.add(tokens.lengths, tokens.start_chars)
        self._ends.add(tokens.lengths, tokens.end_chars)
        self._sizes.add(tokens.sizes)
        if not is_new.all():
            tokens = self._find(numbers)
        return OwnContexts(tokens, place_E, numbers[place_E])

    def array(self) -> pa.StructArray:
        """Returns the tokens of all contexts: the dictionary of the column `context`."""
        return pa.StructArray.from_arrays(
            [lists.array() for lists in (self._ids, self._starts, self._ends)],
            fields=list(WINDOWS.field("context").type.value_type),
        )

    def _find(self, numbers: Longs) -> Tokens:
        """Returns the tokens of some contexts, without the ids."""
        edges = self._starts.edges.array()
        lengths = edges[numbers + 1] - edges[numbers]
        places = join_ranges(edges[numbers], lengths)
        return Tokens(
            ids=np.zeros(0, np.int32),
            start_chars=self._starts.values.array()[places],
            end_chars=self._ends.values.array()[places],
            edges=np.concatenate([[0], np.cumsum(lengths)]),
            lengths=lengths,
            sizes=self._sizes.array()[numbers],
        )


class WindowColumns:
    """All columns of a table of windows but the contexts.

    Args:
        folder: Where temporary files lie; None keeps everything in memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._names, self._name_edges = Column(np.uint8, folder), Column(np.int32, folder)
        self._name_edges.add([0])
        self._questions = _Lists(folder)
        self._context, self._room, self._step, self._count, self._type = (
            Column(np.int32, folder) for _ in range(5)
        )
        self._label_edges = Column(np.int64, folder)
        self._label_edges.add([0])
        self._labels = tuple(Column(np.int32, folder) for _ in range(3))

    def add(
        self,
        examples: pa.Table,
        questions: Tokens,
        contexts: OwnContexts,
        plan: WindowPlan,
        labels: Labels,
        context_start_E: Longs,
    ) -> None:
        """Adds the windows of some examples.

        Args:
            examples: A table of schema `artifacts.EXAMPLES`.
            questions: The tokens of each question, cut to the limit.
            contexts: The contexts of these examples.
            plan: Their windows.
            labels: Their answers.
            context_start_E: Place of the first context token in the windows of each example.
        """
        for name in examples["id"].chunks:
            encoded = name.cast(pa.binary())
            sizes = pc.binary_length(encoded).to_numpy()
            self._name_edges.add(len(self._names) + np.cumsum(sizes))
            self._names.add(np.frombuffer(b"".join(encoded.to_pylist()), np.uint8))
        self._questions.add(questions.lengths, questions.ids)
        self._context.add(contexts.number_E)
        self._room.add(plan.room_E)
        self._step.add(plan.step_E)
        self._count.add(plan.count_E)
        types = pc.index_in(examples["reasoning_type"], value_set=pa.array(TYPES))
        self._type.add(types.fill_null(UNKNOWN).to_numpy())
        # Positions count from the window's first token.
        context_start_L = context_start_E[labels.example_L]
        count_E = np.bincount(labels.example_L, minlength=len(examples))
        self._label_edges.add(len(self._labels[0]) + np.cumsum(count_E))
        columns = (
            labels.window_L,
            labels.start_L + context_start_L,
            labels.end_L + context_start_L,
        )
        for column, values in zip(self._labels, columns, strict=True):
            column.add(values)

    def table(self, contexts: pa.StructArray) -> pa.Table:
        """Returns the table of schema `artifacts.WINDOWS`, with these tokens of all contexts."""
        edges = self._name_edges.array()
        names = pa.StringArray.from_buffers(
            len(edges) - 1, pa.py_buffer(edges), pa.py_buffer(self._names.array())
        )
        labels = pa.StructArray.from_arrays(
            [pa.array(column.array()) for column in self._labels],
            fields=list(WINDOWS.field("labels").type.value_type),
        )
        return pa.Table.from_arrays(
            [
                names,
                self._questions.array(),
                pa.DictionaryArray.from_arrays(pa.array(self._context.array()), contexts),
                *(pa.array(column.array()) for column in (self._room, self._step, self._count)),
                pa.LargeListArray.from_arrays(pa.array(self._label_edges.array()), labels),
                pa.array(self._type.array()),
            ],
            schema=WINDOWS,
        )
