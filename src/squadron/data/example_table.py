"""Makes a table of schema `artifacts.EXAMPLES` from examples, which all later parts read."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from squadron.artifacts import EXAMPLES, encode_contexts
from squadron.data.question_types import guess_type
from squadron.data.sources import Example


def make_table(examples: Sequence[Example]) -> pa.Table:
    """Returns a table of schema EXAMPLES, which holds each different context once."""
    # This comes first, because it refuses contexts that are too long for a column.
    contexts = encode_contexts([example.context for example in examples])
    place = EXAMPLES.get_field_index("context")
    rows = [as_row(example) for example in examples]
    table = pa.Table.from_pylist(rows, schema=EXAMPLES.remove(place))
    return table.add_column(place, EXAMPLES.field("context"), contexts)


def as_row(example: Example) -> dict[str, Any]:
    """Returns all columns except the context, which many rows may share."""
    return {
        "id": example.id,
        "title": example.title,
        "question": example.question,
        "answers": [{"text": a.text, "start_char": a.start_char} for a in example.answers],
        "reasoning_type": example.reasoning_type or guess_type(example.question),
        "label_source": "data" if example.reasoning_type else "rules",
    }
