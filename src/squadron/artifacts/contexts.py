"""The column `context` of the examples, which holds each different context once."""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from squadron.artifacts.schemas import EXAMPLES
from squadron.errors import InputError

MOST_TEXT_BYTES = 2**31 - 1
"""Limit for the different contexts of a split: Parquet counts the bytes of a page in 32 bits."""

GROUP_TEXT_BYTES = 4_000_000
"""How much text of new contexts ends a group of rows: a reader has the contexts of one group in
memory at a time."""


def read_contexts(examples: pa.Table) -> list[str]:
    """Returns the context of each example; equal contexts are one and the same Python text.

    Args:
        examples: A table of schema `EXAMPLES`.
    """
    contexts: list[str] = []
    for chunk in examples["context"].chunks:
        texts = chunk.dictionary.to_pylist()
        contexts += [texts[place] for place in chunk.indices.to_pylist()]
    return contexts


def encode_contexts(contexts: Sequence[str]) -> pa.DictionaryArray:
    """Returns the column `context` of schema `EXAMPLES`.

    Raises:
        InputError: If the different contexts are too much text for one table.
    """
    places: dict[str, int] = {}
    indices = [places.setdefault(context, len(places)) for context in contexts]
    size = sum(len(context.encode()) for context in places)
    if size > MOST_TEXT_BYTES:
        raise InputError(
            f"The {len(places):,} different contexts of one split have {size:,} bytes, at most "
            f"{MOST_TEXT_BYTES:,} can be stored; give less data or lower data -> "
            "max_train_examples"
        )
    return pa.DictionaryArray.from_arrays(
        pa.array(indices, pa.int32()), pa.array(list(places), pa.string())
    )


def group_by_contexts(examples: pa.Table) -> Iterator[pa.Table]:
    """Yields the rows in groups, each with a dictionary of its own contexts.

    A group ends after about `GROUP_TEXT_BYTES` of contexts that no earlier row has. So examples
    that all share a long context are one group, and the context is stored once.

    Args:
        examples: A table of schema `EXAMPLES`.
    """
    place = examples.schema.get_field_index("context")
    contexts = examples["context"].unify_dictionaries().combine_chunks()
    indices = contexts.indices.to_numpy()
    used, first_rows = np.unique(indices, return_index=True)
    new_bytes = np.zeros(len(indices), np.int64)
    new_bytes[first_rows] = pc.binary_length(contexts.dictionary).to_numpy()[used]
    # A long context begins a group, so that its questions are in one group.
    group = np.cumsum(new_bytes) // GROUP_TEXT_BYTES
    bounds = [0, *(np.flatnonzero(np.diff(group)) + 1).tolist(), len(indices)]
    for start, end in itertools.pairwise(bounds):
        own, row_place = np.unique(indices[start:end], return_inverse=True)
        column = pa.DictionaryArray.from_arrays(
            pa.array(row_place, pa.int32()), contexts.dictionary.take(pa.array(own))
        )
        yield examples.slice(start, end - start).set_column(place, EXAMPLES.field(place), column)
