"""The questions of a split that are asked of the index, for the steps index and answer."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from squadron.artifacts import read_table
from squadron.scores.evaluation import Questions, choose_rule

FOUND_AT_MOST = 20
"""How many passages each search gives; recall is measured up to there."""
SEARCHES = "searches.json"
"""The file with `scores.open_domain.Searches` in the folder that the step index writes."""


@dataclass(frozen=True)
class Asked:
    """Some questions of a split, in its order."""

    texts: list[str]
    """The questions themselves."""
    questions: Questions
    """Their contexts and gold answers. The rule is that of the whole split."""

    def __len__(self) -> int:
        return len(self.texts)


def choose_asked(examples: Path, most: int) -> Asked:
    """Returns questions that are spread evenly over a split.

    Args:
        examples: The table of the split.
        most: How many at most; 0 for all.
    """
    table = read_table(examples, schema="examples/1")
    count = min(most or len(table), len(table))
    return _make_asked(table, np.linspace(0, len(table) - 1, count).astype(np.int64))


def find_asked(examples: Path, ids: Collection[str]) -> Asked:
    """Returns the questions with these ids."""
    table = read_table(examples, schema="examples/1")
    return _make_asked(table, np.flatnonzero(pc.is_in(table["id"], pa.array(list(ids)))))


def _make_asked(table: pa.Table, places: Any) -> Asked:
    counts = pc.list_value_length(table["answers"].combine_chunks()).to_numpy()
    some = table.take(pa.array(places, pa.int64()))
    return Asked(some["question"].to_pylist(), Questions.read(some, choose_rule(counts > 0)))
