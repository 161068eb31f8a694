"""Scores windows with an ONNX file through ONNX Runtime, on the CPU."""

import importlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from squadron.errors import InputError
from squadron.models.batches import Batch
from squadron.models.prediction import TopSpans, best_spans
from squadron.requirements import require_packages

PACKAGE = "onnxruntime"
"""It is imported by its name, because only models with an ONNX file need it (`requirements`)."""
OUTPUTS = ("start_logits", "end_logits")
_SLOW = ["SkipLayerNormFusion"]
"""The fused kernel for a sum and a layer norm is slower than both alone (ONNX Runtime 1.32;
docs/decisions/onnx.md)."""


class OnnxScorer(torch.nn.Module):
    """Predicts as a span model does, with the logits of an ONNX file.

    Args:
        path: A file with the inputs and outputs of `onnx_graphs`.
        one_by_one: Whether each window is scored alone. In int8, one scale holds for all tokens of
            a pass, so that other windows and their padding would change the answers. Several
            windows are scored at the same time then, with a thread each.

    Raises:
        InputError: If ONNX Runtime is not installed or can't read the file.
    """

    def __init__(self, path: Path, *, one_by_one: bool = False) -> None:
        super().__init__()
        require_packages([PACKAGE], f"The model file {path.name} needs", "onnx")
        threads = torch.get_num_threads()
        self._session = _open(path, threads)
        self._inputs = [each.name for each in self._session.get_inputs()]
        self._one_by_one = one_by_one
        # Two windows with a thread each are faster than one after the other with two.
        self._single = _open(path, 1) if one_by_one and threads > 1 else self._session
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="squadron-onnx")

    def score(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the logits of start and end, each of shape (B, T), on the CPU."""
        feed = {name: getattr(batch, f"{name}_BT").cpu().numpy() for name in self._inputs}
        if not self._one_by_one:
            start_BT, end_BT = self._session.run(OUTPUTS, feed)
            return torch.from_numpy(start_BT), torch.from_numpy(end_BT)
        # Logits of padding are never read, so they may stay 0.
        logits_2BT = np.zeros((2, *batch.input_ids_BT.shape), np.float32)
        lengths = batch.attention_mask_BT.sum(1).tolist()
        session = self._session if len(lengths) == 1 else self._single

        def score_window(row: int) -> None:
            length = lengths[row]
            window = {name: value[row : row + 1, :length] for name, value in feed.items()}
            start_1T, end_1T = session.run(OUTPUTS, window)
            logits_2BT[0, row, :length], logits_2BT[1, row, :length] = start_1T[0], end_1T[0]

        list(self._pool.map(score_window, range(len(lengths))))
        return torch.from_numpy(logits_2BT[0]), torch.from_numpy(logits_2BT[1])

    def top_spans(self, batch: Batch, n_best: int, max_answer_tokens: int) -> TopSpans:
        """Returns the exact n best spans of each window."""
        start_BT, end_BT = self.score(batch)
        on_cpu = batch.to(torch.device("cpu"))
        return best_spans(start_BT, end_BT, on_cpu, n_best, max_answer_tokens)


def _open(path: Path, threads: int) -> Any:
    """Opens an ONNX file.

    Raises:
        InputError: If ONNX Runtime can't read it.
    """
    runtime = importlib.import_module(PACKAGE)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return runtime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=_SLOW
        )
    # ONNX Runtime has an exception of its own for each kind of damage, with no common base.
    except Exception as error:
        reason = str(error).strip().splitlines()[0]
        raise InputError(
            f"The model file {path} can't be read by ONNX Runtime: {reason}; convert it again"
        ) from None
