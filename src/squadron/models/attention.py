"""Finds the words to which a model attends when it tells the type of a question.

A model that tells types reads them from its first token. The attention of that token in the last
layer shows from which words it took what it holds. This is no proof of a reason: layers below have
mixed the words, and other attention may give the same result (Jain and Wallace 2019,
arXiv:1902.10186).

Legend: B windows of a batch, T tokens.
"""

import re
from collections import Counter
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch

from squadron.answers.explanation import AttendedWord
from squadron.config import Predict
from squadron.data.layout import Layout
from squadron.data.window_table import WindowTable
from squadron.models.batches import Batch, WindowSet
from squadron.models.devices import PASS_TOKENS, autocast

MOST_WORDS = 5
_WORD = re.compile(r"\w+(?:[-'’.,]\w+)*")


@runtime_checkable
class Attending(Protocol):
    """A model that can say where its first token attends to."""

    def first_token_attention(self, batch: Batch) -> torch.Tensor:
        """Returns attention weights of shape (B, T): mean of the last layer's heads."""
        ...


def find_attended_words(
    model: Attending,
    windows: WindowTable,
    contexts: Sequence[str],
    layout: Layout,
    settings: Predict,
    device: torch.device,
) -> list[tuple[AttendedWord, ...]]:
    """Returns the words of each window's context that the first token attends to most.

    Args:
        model: A variant's model, on `device`, without dropout.
        windows: The windows of few questions: all are computed at once.
        contexts: The context of each example, in the order of the table of windows.
        layout: The layout of the tokenizer that made the windows.
        settings: Batch size and precision.
        device: Where to compute.

    Returns:
        At most MOST_WORDS words of each window, the most attended first, in the order of windows.
    """
    window_set, cut = WindowSet(windows, layout), windows.cut
    found = []
    for start in range(0, len(windows), settings.batch_size):
        batch_rows = range(start, min(start + settings.batch_size, len(windows)))
        for rows in window_set.parts(batch_rows, PASS_TOKENS[device.type]):
            batch = window_set.collate(rows).to(device)
            with torch.inference_mode(), autocast(device, settings.precision):
                weight_BT = model.first_token_attention(batch).float().cpu().numpy()
            for row, weight_T in zip(rows, weight_BT, strict=True):
                first, length = int(cut.first_N[row]), int(cut.context_length_N[row])
                head = int(cut.context_start_N[row])
                starts = windows.start_chars[first : first + length]
                context = contexts[int(cut.example_N[row])]
                found.append(_sum_by_word(context, starts, weight_T[head : head + length]))
    return found


def _sum_by_word(
    context: str, start_chars: npt.NDArray[np.int32], weights: npt.NDArray[np.float32]
) -> tuple[AttendedWord, ...]:
    """Returns the words with the highest sums of their tokens' weights; punctuation is no word."""
    words = [match.span() for match in _WORD.finditer(context)]
    edges = np.array([start for start, _ in words], np.int64)
    sums: Counter[int] = Counter()
    places = np.searchsorted(edges, start_chars, side="right") - 1
    for place, start, weight in zip(places.tolist(), start_chars, weights.tolist(), strict=True):
        if place >= 0 and start < words[place][1]:
            sums[place] += weight
    # If two weights are equal, the earlier word comes first.
    best = sorted(sums, key=lambda place: (-sums[place], place))[:MOST_WORDS]
    return tuple(
        AttendedWord(context[slice(*words[place])], *words[place], sums[place]) for place in best
    )
