"""Reasoning: a span model that also predicts which type of reasoning a question needs.

It has one encoder, the span layer, and a classifier over question_types.TYPES on the pooled first
token. The loss is the loss of the span plus a share of the loss of the classifier. The types come
from the data if they have some, else from rules (`label_source` of the examples).

Sources: joint training with a shared encoder is from Caruana 1997, the pooled first token from
Devlin et al. 2019 (arXiv:1810.04805), section 4.1.
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
    """The weight of the classifier's loss; the weight of the span's loss is 1."""
    class_weights: str = "balanced"
    """balanced gives windows of rare types more weight, with a mean of 1 over the train split. none
    gives all windows the same weight."""
    dropout: float = 0.1
    """Dropout on the pooled token."""

    def __post_init__(self) -> None:
        """Refuses values that are not allowed."""
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
    """The result of one pass over a batch; C types, H hidden units."""

    loss: torch.Tensor
    """The loss of the span plus the weighted loss of the types, a scalar."""
    start_BT: torch.Tensor
    """Logits of the start."""
    end_BT: torch.Tensor
    """Logits of the end."""
    reasoning_BC: torch.Tensor
    """Logits over question_types.TYPES."""
    hidden_states: tuple[torch.Tensor, ...] | None = None
    """Hidden states of the embeddings and of every layer, each (B, T, H), if requested."""
    attentions: tuple[torch.Tensor, ...] | None = None
    """Attention weights of every layer, each (B, heads, T, T), if requested."""


class ReasoningModel(span.SpanModel):
    """A question-answering network with a classifier beside its span layer.

    Args:
        network: A network of AutoModelForQuestionAnswering.
        options: The contender's options.
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
        """Sets the weights of the types by how often each occurs in the windows to train on.

        The weight of a type is windows / (types * windows of this type), as in King and Zeng 2001.
        A type that never occurs keeps the weight 1, which is then never used.
        """
        if self._options.class_weights == "balanced":
            types = windows.cut.reasoning_type_N
            counts = np.bincount(types[types >= 0], minlength=len(TYPES))
            present = max(1, int((counts > 0).sum()))
            weights = np.where(counts > 0, counts.sum() / (present * np.maximum(counts, 1)), 1.0)
            self.type_weights_C.copy_(torch.from_numpy(weights))

    def forward(self, batch: Batch) -> torch.Tensor:
        """Returns the joint loss, a scalar."""
        return self.read(batch).loss

    def read(
        self, batch: Batch, *, hidden_states: bool = False, attentions: bool = False
    ) -> ReasoningOutput:
        """Runs the network once and returns everything that it computes.

        Args:
            batch: The windows. Without answers and types, the loss has no meaning.
            hidden_states: Whether to return the hidden states of all layers.
            attentions: Whether to return attention weights. This is slow, because only the plain
                attention of transformers gives them.
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
        """Returns the exact n best spans of each window, and logits of its question's type."""
        output = self.read(batch)
        spans = best_spans(output.start_BT, output.end_BT, batch, n_best, max_answer_tokens)
        spans.type_logits_BC = output.reasoning_BC
        return spans

    def first_token_attention(self, batch: Batch) -> torch.Tensor:
        """Returns how the first token, which tells the type, attends to all tokens; shape (B, T).

        It is the mean of the last layer's heads. A row sums to 1.
        """
        attentions = self.read(batch, attentions=True).attentions
        assert attentions is not None
        return attentions[-1][:, :, 0].mean(1)

    def save(self, folder: Path) -> None:
        """Writes the span model as transformers reads it, and reasoning_head.safetensors."""
        super().save(folder)
        _networks.save_head(folder / HEAD, self.head())

    def head(self) -> dict[str, torch.Tensor]:
        """Returns the classifier's weights, by name."""
        return {
            name: parameter.data
            for name, parameter in self.named_parameters()
            if not name.startswith("network.")
        }

    def _type_loss(self, reasoning_BC: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Returns the mean loss of the types, a scalar; a window without a type counts as 0."""
        known_B = batch.reasoning_type_B >= 0
        wanted_B = batch.reasoning_type_B.clamp(min=0)
        entropy_B = torch.nn.functional.cross_entropy(reasoning_BC, wanted_B, reduction="none")
        return (entropy_B * self.type_weights_C[wanted_B] * known_B).mean()


def build(backbone: str, options: Options) -> ReasoningModel:
    """Returns the backbone with its own span layer or a new one, and with a new classifier."""
    network = span.build(backbone, options).network
    return ReasoningModel(_networks.require_encoder(network, "reasoning"), options)


def load(folder: Path, options: Options) -> ReasoningModel:
    """Returns a saved model."""
    model = build(str(folder), options)
    _networks.load_head(folder / HEAD, model.head())
    return model
