"""Span: a linear layer gives each token a start and an end score; the best pair is the answer.

Source: Devlin et al. 2019 (arXiv:1810.04805), sections 4.2 and 4.3.
"""

import inspect
from pathlib import Path
from typing import Any

import torch

from squadron.models.batches import Batch
from squadron.models.prediction import TopSpans, best_spans
from squadron.models.variants._networks import Options, load_network

TRAINS = True
SERVES_AS_ONNX = True

__all__ = ["SERVES_AS_ONNX", "TRAINS", "Options", "SpanModel", "build", "load", "span_loss"]


class SpanModel(torch.nn.Module):
    """Wraps a question-answering network of transformers as a variant's model.

    Args:
        network: A network of AutoModelForQuestionAnswering.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self._takes_types = "token_type_ids" in inspect.signature(network.forward).parameters

    def forward(self, batch: Batch) -> torch.Tensor:
        """Returns the mean loss of the batch, a scalar; see `span_loss`."""
        return span_loss(*self._score(batch), batch)

    def top_spans(self, batch: Batch, n_best: int, max_answer_tokens: int) -> TopSpans:
        """Returns the exact n best spans of each window."""
        start_BT, end_BT = self._score(batch)
        return best_spans(start_BT, end_BT, batch, n_best, max_answer_tokens)

    def save(self, folder: Path) -> None:
        """Writes config.json and model.safetensors as transformers reads them."""
        self.network.save_pretrained(folder)

    def span_network(self) -> Any:
        """Returns the network of AutoModelForQuestionAnswering that gives this model's answers."""
        return self.network

    def _score(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        types = {"token_type_ids": batch.token_type_ids_BT} if self._takes_types else {}
        output = self.network(
            input_ids=batch.input_ids_BT, attention_mask=batch.attention_mask_BT, **types
        )
        return output.start_logits, output.end_logits


def span_loss(start_BT: torch.Tensor, end_BT: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Returns the mean cross-entropy of start and end, a scalar.

    Only the null token and the context are part of the softmax, because question and padding tokens
    can't be answers.
    """
    outside_BT = ~batch.answer_mask_BT()
    start_BT = start_BT.float().masked_fill(outside_BT, -torch.inf)
    end_BT = end_BT.float().masked_fill(outside_BT, -torch.inf)
    entropy = torch.nn.functional.cross_entropy
    return (entropy(start_BT, batch.start_token_B) + entropy(end_BT, batch.end_token_B)) / 2


def build(backbone: str, options: Options) -> SpanModel:
    """Returns the backbone with its own span layer, or with a new one if it has none."""
    return SpanModel(load_network(backbone, options))


def load(folder: Path, options: Options) -> SpanModel:
    """Returns a saved model."""
    return build(str(folder), options)
