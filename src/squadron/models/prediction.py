"""Lets a model score windows and returns candidates: character spans with scores.

Memory does not grow with the number of windows.

Legend: B windows of a batch, T tokens, K kept candidates, W max_answer_tokens.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import torch

from squadron.artifacts import CANDIDATES, WINDOW_TYPES
from squadron.config import Predict
from squadron.data.layout import Layout
from squadron.data.window_table import WindowTable
from squadron.models.batches import Batch, WindowSet
from squadron.models.devices import PASS_TOKENS, autocast
from squadron.models.packed_layers import pack_linear_layers
from squadron.progress import Progress


@dataclass
class TopSpans:
    """The best spans of each window, best first; tokens of the window, inclusive."""

    start_token_BK: torch.Tensor
    end_token_BK: torch.Tensor
    score_BK: torch.Tensor
    """Log-odds against "no answer in this window"; -inf where a window has fewer than K spans."""
    null_score_B: torch.Tensor
    """The score of "no answer in this window"."""
    type_logits_BC: torch.Tensor | None = None
    """Logits over question_types.TYPES; None if the model does not predict types of questions."""

    def cpu(self) -> "TopSpans":
        """Returns the same spans on the CPU."""
        return TopSpans(*(None if v is None else v.cpu() for v in vars(self).values()))  # type: ignore[arg-type]


class SpanScorer(Protocol):
    """What prediction needs from a model. Every variant's model has it."""

    training: bool
    """Whether dropout is on."""

    def top_spans(self, batch: Batch, n_best: int, max_answer_tokens: int) -> TopSpans:
        """Returns the best spans of each window."""
        ...

    def eval(self) -> Any:
        """Turns dropout off."""
        ...


def best_spans(
    start_BT: torch.Tensor,
    end_BT: torch.Tensor,
    batch: Batch,
    n_best: int,
    max_answer_tokens: int,
    single_BT: torch.Tensor | None = None,
) -> TopSpans:
    """Returns the exact n best spans by start and end scores.

    A span has a start and an end in the context, with start <= end < start + W. Its score is
    start + end minus start + end of the null token. The result is exact: the n best spans have at
    most n different starts, and these are among the n starts whose own best span scores highest.

    Args:
        start_BT: A start score per token; tokens outside the context are ignored.
        end_BT: An end score per token; tokens outside the context are ignored.
        batch: Says where the context is.
        n_best: K, the most spans of a window.
        max_answer_tokens: W, the most tokens of a span.
        single_BT: The scores of spans of one token; start + end if None.

    Returns:
        The spans, with scores in single precision. Scores in double precision are added in double
        precision.
    """
    precision = torch.promote_types(start_BT.dtype, torch.float32)
    start_BT, end_BT = start_BT.to(precision), end_BT.to(precision)
    null_B = start_BT[:, 0] + end_BT[:, 0]
    allowed_BT = batch.answer_mask_BT()
    allowed_BT[:, 0] = False
    start_BT = start_BT.masked_fill(~allowed_BT, -torch.inf)
    end_BT = end_BT.masked_fill(~allowed_BT, -torch.inf)
    length = start_BT.shape[1]
    if single_BT is None:
        single_BT = start_BT + end_BT
    single_BT = single_BT.to(precision).masked_fill(~allowed_BT, -torch.inf)
    best_BT = torch.maximum(single_BT, start_BT + _best_later(end_BT, max_answer_tokens - 1))
    starts = min(n_best, length)
    _, start_BS = best_BT.topk(starts, dim=1, sorted=False)
    # Row t holds the scores of the W ends of a span that starts at t. This is a view, not a copy.
    padded = torch.nn.functional.pad(end_BT, (0, max_answer_tokens - 1), value=-torch.inf)
    ends_BTW = padded.unfold(1, max_answer_tokens, 1)
    ends_BSW = ends_BTW.gather(1, start_BS[:, :, None].expand(-1, -1, max_answer_tokens))
    scores_BSW = ends_BSW + start_BT.gather(1, start_BS)[:, :, None]
    scores_BSW[:, :, 0] = single_BT.gather(1, start_BS)
    scores = scores_BSW.flatten(1)
    kept = min(n_best, scores.shape[1])
    score_BK, place_BK = scores.topk(kept, dim=1)
    start_BK = start_BS.gather(1, place_BK // max_answer_tokens)
    return TopSpans(
        start_token_BK=start_BK,
        end_token_BK=(start_BK + place_BK % max_answer_tokens).clamp(max=length - 1),
        score_BK=(score_BK - null_B[:, None]).float(),
        null_score_B=null_B.float(),
    )


def _best_later(end_BT: torch.Tensor, width: int) -> torch.Tensor:
    """Returns the highest of the `width` scores after each position, in log2(W) passes."""
    best_BT, reach = _shift(end_BT, 1), 1
    if not width:
        return torch.full_like(end_BT, -torch.inf)
    while reach < width:
        step = min(reach, width - reach)
        best_BT = torch.maximum(best_BT, _shift(best_BT, step))
        reach += step
    return best_BT


def _shift(values_BT: torch.Tensor, step: int) -> torch.Tensor:
    """Returns values[t + step] at t; -inf after the end."""
    length = values_BT.shape[1]
    return torch.nn.functional.pad(values_BT[:, step:], (0, step), value=-torch.inf)[:, :length]


def make_ready(model: Any, device: torch.device) -> Any:
    """Puts a model that is only to predict from now on on a device, in place, and returns it.

    Args:
        model: A SpanScorer. On a CPU, its linear layers are packed (models/packed_layers.py).
        device: Where it will compute.
    """
    model = model.to(device)
    pack_linear_layers(model)
    return model


def predict_candidates(
    model: SpanScorer,
    windows: WindowTable,
    layout: Layout,
    settings: Predict,
    device: torch.device,
    progress: Progress | None = None,
    on_types: Callable[[pa.Table], None] = lambda types: None,
) -> Iterator[pa.Table]:
    """Scores windows chunk by chunk; memory does not grow with their number.

    Args:
        model: A variant's model, on `device`.
        windows: The windows, preferably from a memory-mapped file.
        layout: The layout of the tokenizer that made them.
        settings: n_best, max_answer_tokens, batch size and precision.
        device: Where to compute.
        progress: Is advanced by windows.
        on_types: Called with a table of schema `artifacts.WINDOW_TYPES` per chunk, if the model
            predicts the types of questions.

    Yields:
        Tables of schema `artifacts.CANDIDATES`, in the order of the windows. The candidates of a
        window come best first.

    Raises:
        ValueError: If max_answer_tokens is 0, which means that the train split should have decided.
    """
    if not settings.max_answer_tokens:
        raise ValueError("max_answer_tokens is 0, which the train step should have settled")
    # A network has hundreds of modules, and walking through them takes a millisecond.
    if model.training:
        model.eval()
    for chunk in windows.chunks():
        window_set = WindowSet(chunk, layout)
        # Windows of equal length come together. The order of the output is restored below.
        order = np.argsort(-window_set.lengths, kind="stable")
        parts: list[TopSpans] = []
        for start in range(0, len(order), settings.batch_size):
            batch_rows = order[start : start + settings.batch_size].tolist()
            for rows in window_set.parts(batch_rows, PASS_TOKENS[device.type]):
                batch = window_set.collate(rows).to(device)
                with torch.inference_mode(), autocast(device, settings.precision):
                    spans = model.top_spans(batch, settings.n_best, settings.max_answer_tokens)
                parts.append(spans.cpu())
                if progress:
                    progress.advance(len(rows))
        types = [part.type_logits_BC for part in parts if part.type_logits_BC is not None]
        if types:
            on_types(_to_types(chunk, order, torch.cat(types)))
        yield _to_candidates(chunk, order, parts, settings.n_best)


def mean_loss(model: Any, windows: WindowSet, settings: Predict, device: torch.device) -> float:
    """Returns the mean loss over windows with known answers.

    Args:
        model: A variant's model on `device`. Called with a Batch, it returns the mean loss.
        windows: Windows with answer tokens.
        settings: Batch size and precision.
        device: Where to compute.
    """
    model.eval()
    order = np.argsort(-windows.lengths, kind="stable")
    total = 0.0
    for start in range(0, len(order), settings.batch_size):
        batch_rows = order[start : start + settings.batch_size].tolist()
        for rows in windows.parts(batch_rows, PASS_TOKENS[device.type]):
            with torch.inference_mode(), autocast(device, settings.precision):
                loss = model(windows.collate(rows).to(device))
            total += float(loss) * len(rows)
    return total / max(1, len(order))


def _to_types(windows: WindowTable, order: Any, logits_NC: torch.Tensor) -> pa.Table:
    """Returns the log-probabilities of types, in the order of the windows.

    Args:
        windows: The windows of one chunk.
        order: The row number of each window, in the order of computation.
        logits_NC: Logits in the order of computation.
    """
    rows = np.empty((len(order), logits_NC.shape[1]), np.float32)
    rows[order] = logits_NC.float().log_softmax(1).numpy()
    edges = np.arange(len(order) + 1, dtype=np.int32) * rows.shape[1]
    values = pa.ListArray.from_arrays(pa.array(edges), pa.array(rows.ravel()))
    columns = [windows.example_ids(), pa.array(windows.cut.window_N, pa.int32()), values]
    return pa.Table.from_arrays(columns, schema=WINDOW_TYPES)


def _to_candidates(
    windows: WindowTable, order: Any, parts: list[TopSpans], n_best: int
) -> pa.Table:
    """Returns the candidates of one chunk as spans of characters, in the order of the windows.

    Args:
        windows: The windows of the chunk.
        order: The row number of each window, in the order of computation.
        parts: Their spans of tokens, in the order of computation.
        n_best: The most candidates of a window.
    """
    count = len(order)
    start = np.zeros((count, n_best), np.int64)
    end = np.zeros((count, n_best), np.int64)
    score = np.full((count, n_best), -np.inf, np.float32)
    null = np.zeros(count, np.float32)
    first = 0
    for part in parts:
        rows = order[first : first + len(part.null_score_B)]
        kept = part.score_BK.shape[1]
        start[rows, :kept] = part.start_token_BK.numpy()
        end[rows, :kept] = part.end_token_BK.numpy()
        score[rows, :kept] = part.score_BK.numpy()
        null[rows] = part.null_score_B.numpy()
        first += len(rows)
    cut = windows.cut
    window, rank = np.nonzero(np.isfinite(score))
    base = (cut.first_N - cut.context_start_N)[window]
    start_char = windows.start_chars[base + start[window, rank]]
    end_char = windows.end_chars[base + end[window, rank]]
    # A span of blanks alone has no characters (see data/tokens.py). Its text would be empty, which
    # means "no answer".
    shown = np.flatnonzero(start_char < end_char)
    # Several spans of tokens may have the same text, for example with and without a blank beside a
    # word, or where a character has several tokens.
    shown = shown[_firsts(window[shown], start_char[shown], end_char[shown])]
    window, rank = window[shown], rank[shown]
    rows = pa.array(window)
    return pa.Table.from_arrays(
        [
            windows.example_ids().take(rows),
            pa.array(cut.window_N[window], pa.int32()),
            pa.array(rank, pa.int32()),
            pa.array(start_char[shown]),
            pa.array(end_char[shown]),
            pa.array(score[window, rank]),
            pa.array(null[window]),
        ],
        schema=CANDIDATES,
    )


def _firsts(window: Any, start: Any, end: Any) -> Any:
    """Returns the numbers of the rows that are the first with their window, start and end."""
    order = np.lexsort((end, start, window))  # the sort is stable
    differs = np.ones(len(order), bool)
    differs[1:] = False
    for column in (window, start, end):
        differs[1:] |= np.diff(column[order]) != 0
    return np.sort(order[differs])
