"""Reasoning: a span model that also tells what kind of reasoning its question asks for.

One encoder, the span layer, and a classifier on the pooled first token over question_types.TYPES;
the loss is the span's plus a share of the classifier's. Types come from the data where it has them,
else from rules (`label_source` of the examples).

Source: joint training over a shared encoder, Caruana 1997; the pooled first token as in Devlin et
al. 2019 (arXiv:1810.04805), section 4.1.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from squadron.data.question_types import TYPES
from squadron.data.window_table import WindowTable
from squadron.errors import InputError
from squadron.models.batches import Batch
from squadron.models.prediction import TopSpans, best_spans
from squadron.models.variants import _networks, span

TRAINS = True
HEAD = "reasoning_head.safetensors"
CLASS_WEIGHTS = ("balanced", "none")


@dataclass(frozen=True)
class Options(span.Options):
    """What an experiment may set under `options`."""

    type_weight: float = 0.1
    """How much the classifier's loss counts beside the span's."""
    class_weights: str = "balanced"
    """balanced: a window counts by how rare its type is in train, one on average; none: all the
    same."""
    dropout: float = 0.1
    """On the pooled token."""

    def __post_init__(self) -> None:
        """Refuses what is not possible."""
        super().__post_init__()
        if self.type_weight < 0:
            raise InputError(f"type_weight: {self.type_weight} is not allowed; 0 or more")
        if self.class_weights not in CLASS_WEIGHTS:
            raise InputError(
                f"class_weights: {self.class_weights!r} is not allowed; one of {CLASS_WEIGHTS}"
            )
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout: {self.dropout} is not allowed; 0 to below 1")


@dataclass
class ReasoningOutput:
    """One pass over a batch; C types, H hidden units."""

    loss: torch.Tensor
    """Span loss plus the weighted loss of the types, a scalar."""
    start_BT: torch.Tensor
    """Logits, as for the end."""
    end_BT: torch.Tensor
    reasoning_BC: torch.Tensor
    """Logits over question_types.TYPES."""
    hidden_states: tuple[torch.Tensor, ...] | None = None
    """Of the embeddings and every layer, each (B, T, H), if asked for."""
    attentions: tuple[torch.Tensor, ...] | None = None
    """Of every layer, each (B, heads, T, T), if asked for."""


class ReasoningModel(span.SpanModel):
    """A question-answering network with a classifier beside its span layer.

    Args:
        network: As AutoModelForQuestionAnswering gives it.
        options: Of the contender.
    """

    type_weights_C: torch.Tensor

    def __init__(self, network: Any, options: Options) -> None:
        super().__init__(network)
        size = network.config.hidden_size
        self.pool = torch.nn.Linear(size, size)
        self.dropout = torch.nn.Dropout(options.dropout)
        self.classify = torch.nn.Linear(size, len(TYPES))
        for layer in (self.pool, self.classify):
            torch.nn.init.normal_(layer.weight, std=0.02)
            torch.nn.init.zeros_(layer.bias)
            _networks.compute_in_fp32(layer)
        self._options = options
        self.register_buffer("type_weights_C", torch.ones(len(TYPES)), persistent=False)

    def prepare_training(self, windows: WindowTable) -> None:
        """Weighs the types by how often each is asked in the windows to train on.

        A type's weight is windows / (types * its windows): King and Zeng 2001. One that never
        occurs keeps 1, which nothing multiplies.
        """
        if self._options.class_weights == "balanced":
            types = windows.cut.reasoning_type_N
            counts = np.bincount(types[types >= 0], minlength=len(TYPES))
            present = max(1, int((counts > 0).sum()))
            weights = np.where(counts > 0, counts.sum() / (present * np.maximum(counts, 1)), 1.0)
            self.type_weights_C.copy_(torch.from_numpy(weights))

    def forward(self, batch: Batch) -> torch.Tensor:
        """The joint loss, a scalar."""
        return self.read(batch).loss

    def read(
        self, batch: Batch, *, hidden_states: bool = False, attentions: bool = False
    ) -> ReasoningOutput:
        """One pass with all that it gives.

        Args:
            batch: With answers and types; the loss means nothing where it has none.
            hidden_states: Keep those of all layers.
            attentions: Keep the attention weights; slow, as only plain attention has them.
        """
        usual = self.network.config._attn_implementation
        if attentions:
            self.network.set_attn_implementation("eager")
        try:
            types = {"token_type_ids": batch.token_type_ids_BT} if self._takes_types else {}
            output = self.network(
                input_ids=batch.input_ids_BT,
                attention_mask=batch.attention_mask_BT,
                output_hidden_states=True,
                output_attentions=attentions,
                **types,
            )
        finally:
            if attentions:
                self.network.set_attn_implementation(usual)
        pooled_BH = self.pool(output.hidden_states[-1][:, 0]).tanh()
        reasoning_BC = self.classify(self.dropout(pooled_BH))
        loss = span.span_loss(output.start_logits, output.end_logits, batch)
        return ReasoningOutput(
            loss=loss + self._options.type_weight * self._type_loss(reasoning_BC, batch),
            start_BT=output.start_logits,
            end_BT=output.end_logits,
            reasoning_BC=reasoning_BC,
            hidden_states=output.hidden_states if hidden_states else None,
            attentions=output.attentions if attentions else None,
        )

    def top_spans(self, batch: Batch, n_best: int, max_answer_tokens: int) -> TopSpans:
        """The exact n best spans of each window, and the type of its question."""
        output = self.read(batch)
        spans = best_spans(output.start_BT, output.end_BT, batch, n_best, max_answer_tokens)
        spans.type_logits_BC = output.reasoning_BC
        return spans

    def save(self, folder: Path) -> None:
        """Writes the span model as transformers reads it, and reasoning_head.safetensors."""
        super().save(folder)
        _networks.save_head(folder / HEAD, self.head())

    def head(self) -> dict[str, torch.Tensor]:
        """The classifier's weights, by name."""
        return {
            name: parameter.data
            for name, parameter in self.named_parameters()
            if not name.startswith("network.")
        }

    def _type_loss(self, reasoning_BC: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Mean over windows, those without a type counting 0; a scalar."""
        known_B = batch.reasoning_type_B >= 0
        wanted_B = batch.reasoning_type_B.clamp(min=0)
        entropy_B = torch.nn.functional.cross_entropy(reasoning_BC, wanted_B, reduction="none")
        return (entropy_B * self.type_weights_C[wanted_B] * known_B).mean()


def build(backbone: str, options: Options) -> ReasoningModel:
    """The backbone with its own span layer or a fresh one, and a fresh classifier."""
    network = span.build(backbone, options).network
    return ReasoningModel(_networks.require_encoder(network, "reasoning"), options)


def load(folder: Path, options: Options) -> ReasoningModel:
    """A saved model."""
    model = build(str(folder), options)
    _networks.load_head(folder / HEAD, model.head())
    return model
