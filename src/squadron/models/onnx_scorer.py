"""Scores windows with an ONNX file through ONNX Runtime, on the CPU."""

import importlib
from pathlib import Path
from typing import Any

import torch

from squadron.errors import InputError
from squadron.models.batches import Batch
from squadron.models.prediction import TopSpans, best_spans
from squadron.requirements import require_packages

PACKAGE = "onnxruntime"
"""It is imported by its name, because only models with an ONNX file need it (`requirements`)."""
_SLOW = ["SkipLayerNormFusion"]
"""The fused kernel for a sum and a layer norm takes ten times as long as both alone (ONNX Runtime
1.32; docs/decisions/onnx.md)."""


class OnnxScorer(torch.nn.Module):
    """Predicts as a span model does, with the logits of an ONNX file.

    Args:
        path: A file with the inputs and outputs of `onnx_graphs`.

    Raises:
        InputError: If ONNX Runtime is not installed or can't read the file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        require_packages([PACKAGE], f"The model file {path.name} needs", "onnx")
        runtime = importlib.import_module(PACKAGE)
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session: Any = runtime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=_SLOW
            )
        # ONNX Runtime has an exception of its own for each kind of damage, with no common base.
        except Exception as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(
                f"The model file {path} can't be read by ONNX Runtime: {reason}; convert it again"
            ) from None
        self._inputs = [each.name for each in self._session.get_inputs()]

    def score(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the logits of start and end, each of shape (B, T), on the CPU."""
        feed = {name: getattr(batch, f"{name}_BT").cpu().numpy() for name in self._inputs}
        start_BT, end_BT = self._session.run(["start_logits", "end_logits"], feed)
        return torch.from_numpy(start_BT), torch.from_numpy(end_BT)

    def top_spans(self, batch: Batch, n_best: int, max_answer_tokens: int) -> TopSpans:
        """Returns the exact n best spans of each window."""
        start_BT, end_BT = self.score(batch)
        on_cpu = batch.to(torch.device("cpu"))
        return best_spans(start_BT, end_BT, on_cpu, n_best, max_answer_tokens)
