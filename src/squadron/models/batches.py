"""Turns windows on disk into padded tensors, and groups windows of similar length into batches.

Legend: B windows of a batch, T tokens of its longest window, rounded up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from squadron.data.layout import Layout
from squadron.data.window_table import WindowTable

LENGTH_MULTIPLE = 8
"""Padded lengths are multiples of this. oneDNN caches a primitive for each tensor shape, so there
should be few shapes."""
SMALL_MULTIPLE = 32
"""`group_by_length` shuffles the windows of one padded length. Of small data, too few windows have
the same length to be mixed well. There it takes lengths as equal that are equal in multiples of
this."""
POOL_BATCHES = 64
"""Windows are shuffled, cut into pools of this many batches, and sorted by padded length within a
pool. Batches then have little padding, and any window can still meet any other."""
SMALL_POOLS = 4
"""Data of fewer pools than this are small."""
FIELDS = ("context_start", "context_end", "start_token", "end_token", "reasoning_type")
"""Columns with one number per window, in the order of Batch."""


@dataclass
class Batch:
    """Tensors of one forward pass; positions are tokens of the padded window."""

    input_ids_BT: torch.Tensor
    attention_mask_BT: torch.Tensor
    token_type_ids_BT: torch.Tensor
    context_start_B: torch.Tensor
    context_end_B: torch.Tensor
    """The last token of the context, inclusive."""
    start_token_B: torch.Tensor
    """First token of the answer; 0, the null token, where the window does not hold it."""
    end_token_B: torch.Tensor
    """Last token of the answer, inclusive; 0 likewise."""
    reasoning_type_B: torch.Tensor
    """Indices into question_types.TYPES; -1 where a question has no type."""

    def to(self, device: torch.device) -> "Batch":
        """Returns the same batch on a device.

        Python does not wait until a GPU has it. For that, the batch must lie in pinned memory.
        """
        if device.type != "cuda":
            return Batch(**{name: value.to(device) for name, value in vars(self).items()})
        pinned = {name: value.pin_memory() for name, value in vars(self).items()}
        return Batch(**{k: value.to(device, non_blocking=True) for k, value in pinned.items()})

    def answer_mask_BT(self) -> torch.Tensor:
        """Returns True for the null token and the context, where an answer may start or end."""
        position_T = torch.arange(self.input_ids_BT.shape[1], device=self.input_ids_BT.device)
        inside = (position_T >= self.context_start_B[:, None]) & (
            position_T <= self.context_end_B[:, None]
        )
        inside[:, 0] = True
        return inside


class WindowSet:
    """Random access to windows, whose tokens stay on disk if their file is memory-mapped.

    Args:
        windows: The windows.
        layout: The layout of the tokenizer that made them.
    """

    def __init__(self, windows: WindowTable, layout: Layout) -> None:
        self._windows = windows
        self._layout = layout
        cut = windows.cut
        self._fields = np.stack([getattr(cut, f"{name}_N") for name in FIELDS])
        self.lengths = windows.lengths
        """Tokens of each window, special tokens included."""

    def __len__(self) -> int:
        return len(self._windows)

    def parts(self, rows: Sequence[int], token_limit: int) -> list[Sequence[int]]:
        """Cuts a batch into parts of at most `token_limit` padded tokens, at least one window."""
        size = max(1, token_limit // _round_up(int(self.lengths[rows].max())))
        count = -(-len(rows) // size)
        # The parts are even: if 10 of 16 windows fit, they are cut into 8 + 8, not 10 + 6.
        size = -(-len(rows) // count)
        return [rows[i : i + size] for i in range(0, len(rows), size)]

    def collate(self, rows: Sequence[int]) -> Batch:
        """Returns the batch of these rows, padded to their longest window, rounded up."""
        lengths = self.lengths[rows]
        width = _round_up(int(lengths.max()))
        ids = np.full((len(rows), width), self._layout.pad_id, np.int64)
        for place, row in enumerate(rows):
            ids[place, : lengths[place]] = self._windows.input_ids(row)
        fields = self._fields[:, rows]
        real = np.arange(width) < lengths[:, None]
        # The context and the special tokens after it have the second type id.
        second = real & (np.arange(width) >= fields[0][:, None])
        types = np.where(second, self._layout.context_type, self._layout.question_type)
        return Batch(
            torch.from_numpy(ids),
            torch.from_numpy(real.astype(np.int64)),
            torch.from_numpy(np.where(real, types, 0)),
            *(torch.from_numpy(field.copy()) for field in fields),
        )


def _round_up(length: Any, multiple: int = LENGTH_MULTIPLE) -> Any:
    """Returns a length, or each length of an array, with padding."""
    return -(-length // multiple) * multiple


def group_by_length(lengths: Any, batch_size: int, seed: int) -> list[list[int]]:
    """Shuffles windows into batches of similar padded length.

    Windows of the same padded length are equal for the sort. So each seed puts other windows
    together, and no more padding is computed than with a strict sort by length. Of small data, more
    lengths are equal for the sort (`SMALL_MULTIPLE`), which costs some padding.

    Args:
        lengths: Tokens of each window, shape (N,).
        batch_size: Windows per batch; the last one may be smaller.
        seed: The same seed gives the same batches on any machine.

    Returns:
        The row numbers of each batch, in random order. Each row number occurs once.
    """
    random = np.random.default_rng(seed)
    order = random.permutation(len(lengths))
    batches: list[list[int]] = []
    pool = batch_size * POOL_BATCHES
    multiple = SMALL_MULTIPLE if len(order) < SMALL_POOLS * pool else LENGTH_MULTIPLE
    for start in range(0, len(order), pool):
        rows = order[start : start + pool]
        # The sort is stable, so windows of one padded length stay in random order.
        padded = -_round_up(np.asarray(lengths)[rows], multiple)
        rows = rows[np.argsort(padded, kind="stable")]
        batches += [rows[i : i + batch_size].tolist() for i in range(0, len(rows), batch_size)]
    return [batches[i] for i in random.permutation(len(batches))]
