"""The section `train`: the training loop."""

from dataclasses import dataclass

from squadron.config.checks import require


@dataclass(frozen=True)
class Train:
    """The train step: the one loop that every variant shares."""

    epochs: int = 2
    learning_rate: float = 2e-4
    """Peak rate of AdamW, after the warm-up."""
    batch_size: int = 16
    """Windows per forward pass and device."""
    gradient_accumulation: int = 1
    """Forward passes per optimizer step."""
    warmup_share: float = 0.1
    """Share of all optimizer steps with a rising learning rate; then linear decay to 0."""
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    monitor: str = "exact_match"
    """What makes an epoch the best, on tune: exact_match (then F1, then F1 of the best answers to
    the answerable questions, threshold or not), or eval_loss (the mean loss of its windows). The
    best epoch is kept, and early stopping waits for a better one. epoch: the last one is kept, for
    where tune is too small to tell epochs apart."""
    patience: int = 0
    """Stop after this many epochs without a better one; 0 never stops early."""
    precision: str = "auto"
    """auto (bf16 autocast where the processor has it), bf16 or fp32."""
    checkpoint_minutes: float = 10.0
    """Minutes between checkpoints inside an epoch; every epoch ends with one."""
    max_examples: int = 0
    """Questions of train that this contender is trained on, the first ones; 0 for all."""
    max_negative_windows: int = 0
    """Windows without the answer that train per question, drawn once; 0 keeps all. All windows are
    predicted."""
    seed: int = 13

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "gradient_accumulation"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        for name in (
            "weight_decay",
            "patience",
            "checkpoint_minutes",
            "max_examples",
            "max_negative_windows",
            "seed",
        ):
            require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        for name in ("learning_rate", "max_grad_norm"):
            require(getattr(self, name) > 0, name, getattr(self, name), "above 0")
        require(0 <= self.warmup_share < 1, "warmup_share", self.warmup_share, "0 to below 1")
        monitors = ("exact_match", "eval_loss", "epoch")
        require(self.monitor in monitors, "monitor", self.monitor, f"one of {monitors}")
        choices = ("auto", "bf16", "fp32")
        require(self.precision in choices, "precision", self.precision, f"one of {choices}")
