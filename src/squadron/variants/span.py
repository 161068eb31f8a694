"""Span: one linear layer gives each token a start and an end score; the best pair is the answer.

Source: Devlin et al. 2019 (arXiv:1810.04805), section 4.2 and 4.3.
"""

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from squadron import backbones
from squadron.batches import Batch
from squadron.cpu_layers import register_attention, replace_dropout
from squadron.errors import InputError
from squadron.prediction import TopSpans, best_spans

TRAINS = True


@dataclass(frozen=True)
class Options:
    """What an experiment may set under `options`."""

    attention_dropout: float = 0.0
    """Dropout on attention weights. 0: it costs a third of the speed on CPUs and the memory of
    every attention matrix; dropout on hidden states stays as the backbone has it."""

    def __post_init__(self) -> None:
        """Refuses what is no probability."""
        if not 0 <= self.attention_dropout < 1:
            raise InputError(
                f"attention_dropout: {self.attention_dropout} is not allowed; 0 to below 1"
            )


class SpanModel(torch.nn.Module):
    """A transformers question-answering model behind the variants' contract.

    Args:
        network: As AutoModelForQuestionAnswering gives it.
    """

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        self._takes_types = "token_type_ids" in inspect.signature(network.forward).parameters

    def forward(self, batch: Batch) -> torch.Tensor:
        """Mean cross-entropy of start and end over the null token and the context, a scalar.

        Question and padding tokens can't be answers, so they take no part in the softmax.
        """
        start_BT, end_BT = self._score(batch)
        outside_BT = ~batch.answer_mask_BT()
        start_BT = start_BT.float().masked_fill(outside_BT, -torch.inf)
        end_BT = end_BT.float().masked_fill(outside_BT, -torch.inf)
        entropy = torch.nn.functional.cross_entropy
        return (entropy(start_BT, batch.start_token_B) + entropy(end_BT, batch.end_token_B)) / 2

    def top_spans(self, batch: Batch, n_best: int, max_answer_tokens: int) -> TopSpans:
        """The exact n best spans of each window."""
        start_BT, end_BT = self._score(batch)
        return best_spans(start_BT, end_BT, batch, n_best, max_answer_tokens)

    def save(self, folder: Path) -> None:
        """Writes config.json and model.safetensors as transformers reads them."""
        self.network.save_pretrained(folder)

    def _score(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        types = {"token_type_ids": batch.token_type_ids_BT} if self._takes_types else {}
        output = self.network(
            input_ids=batch.input_ids_BT, attention_mask=batch.attention_mask_BT, **types
        )
        return output.start_logits, output.end_logits


def build(backbone: str, options: Options) -> SpanModel:
    """The backbone with its own span layer, or a fresh one where it has none."""
    from transformers import AutoConfig, AutoModelForQuestionAnswering

    on_cpu = not torch.cuda.is_available()
    config = backbones.from_pretrained(AutoConfig, backbone)
    for name in ("attention_probs_dropout_prob", "attention_dropout"):
        if hasattr(config, name):
            setattr(config, name, options.attention_dropout)
    network = backbones.from_pretrained(
        AutoModelForQuestionAnswering,
        backbone,
        config=config,
        dtype=torch.float32,  # also where it is stored in half precision, which can't be trained
        attn_implementation=register_attention() if on_cpu else "sdpa",
        use_safetensors=True,
    )
    if on_cpu:
        replace_dropout(network)
    return SpanModel(network)


def load(folder: Path, options: Options) -> SpanModel:
    """A saved model."""
    return build(str(folder), options)
