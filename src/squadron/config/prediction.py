"""The section `predict`: how candidates are drawn."""

from dataclasses import dataclass

from squadron.config.checks import require


@dataclass(frozen=True)
class Predict:
    """The predict step: how candidates are drawn from a window's scores."""

    n_best: int = 20
    """Candidates kept per window, drawn from as many best starts and ends."""
    max_answer_tokens: int = 30
    """The longest answer; 0 chooses it to hold 95 % of the answers of the train split."""
    batch_size: int = 64
    """Windows per forward pass."""
    precision: str = "fp32"
    """fp32 by default: answers then do not depend on how windows were batched (or served)."""
    train_questions: int = 0
    """So many questions of those trained on, the first ones, are judged too and reported as
    `train`, with the null threshold that is best there; the table shows F1 on the answerable ones
    without a threshold. Shows that training works where select is too small to tell; never selected
    on."""

    def __post_init__(self) -> None:
        require(self.train_questions >= 0, "train_questions", self.train_questions, "0 or more")
        for name in ("n_best", "batch_size"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        longest = self.max_answer_tokens
        require(longest >= 0, "max_answer_tokens", longest, "0 (chosen by the data) or more")
        choices = ("auto", "bf16", "fp32")
        require(self.precision in choices, "precision", self.precision, f"one of {choices}")
