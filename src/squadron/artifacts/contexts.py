"""The column `context` of the examples, which holds each different context once."""

from collections.abc import Sequence

import pyarrow as pa

from squadron.errors import InputError

MOST_TEXT_BYTES = 2**31 - 1
"""Limit for the different contexts of a split: Parquet counts the bytes of a page in 32 bits."""


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
