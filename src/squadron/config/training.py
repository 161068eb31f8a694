"""The section `train`: the training loop that all variants share."""

from dataclasses import dataclass
from typing import Annotated

from squadron.config.limits import SHARE_BELOW_ONE, above, at_least, check_limits, one_of
from squadron.config.prediction import PRECISIONS

MONITORS = ("exact_match", "eval_loss", "epoch")


@dataclass(frozen=True)
class Train:
    """The train step: the training loop that all variants share."""

    epochs: Annotated[int, at_least(1)] = 2
    """How often training goes through all windows of the split train."""
    learning_rate: Annotated[float, above(0)] = 2e-4
    """The highest learning rate of AdamW, which it has after the warm-up."""
    batch_size: Annotated[int, at_least(1)] = 16
    """Windows per forward pass and device."""
    gradient_accumulation: Annotated[int, at_least(1)] = 1
    """Forward passes per optimizer step."""
    warmup_share: Annotated[float, SHARE_BELOW_ONE] = 0.1
    """The share of all optimizer steps during which the learning rate rises. Afterwards it falls
    linearly to 0."""
    weight_decay: Annotated[float, at_least(0)] = 0.01
    """The weight decay of AdamW."""
    max_grad_norm: Annotated[float, above(0)] = 1.0
    """Gradients with a larger norm are scaled down to this norm."""
    monitor: Annotated[str, one_of(MONITORS)] = "exact_match"
    """Which epoch is the best, judged on tune. `exact_match` compares EM, then F1, then the F1 of
    the best answers to the answerable questions without a threshold. `eval_loss` compares the mean
    loss of the windows. The best epoch is kept, and early stopping waits for a better one. `epoch`
    judges no epoch and keeps the last one, for a tune split that is too small to tell epochs
    apart."""
    patience: Annotated[int, at_least(0)] = 0
    """Training stops after this many epochs without a better one; 0 never stops early."""
    precision: Annotated[str, one_of(PRECISIONS)] = "auto"
    """`bf16` (autocast), `fp32`, or `auto`: bf16 where the processor supports it, else fp32."""
    checkpoint_minutes: Annotated[float, at_least(0)] = 10.0
    """Minutes between checkpoints within an epoch. Every epoch ends with a checkpoint."""
    max_examples: Annotated[int, at_least(0)] = 0
    """This contender is trained on so many questions of the split train, the first ones; 0 means
    all."""
    frozen_layers: Annotated[int, at_least(0)] = 0
    """So many of the encoder's lowest layers, and the embeddings below them, stay as they are. This
    trains faster and in less memory, and suits a backbone that has learned to answer questions."""
    max_negative_windows: Annotated[int, at_least(0)] = 0
    """The most windows without the answer that are trained on per question, drawn once; 0 keeps
    all. Prediction always reads all windows."""
    seed: Annotated[int, at_least(0)] = 13
    """The seed of all random choices of training. To train with several seeds, list `seeds` in a
    contender."""

    def __post_init__(self) -> None:
        check_limits(self)
