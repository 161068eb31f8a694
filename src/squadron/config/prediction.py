"""The section `predict`: how candidates are made from a model's scores."""

from dataclasses import dataclass
from typing import Annotated

from squadron.config.limits import at_least, check_limits, one_of

PRECISIONS = ("auto", "bf16", "fp32")


@dataclass(frozen=True)
class Predict:
    """The predict step: how candidates are made from the scores of a window."""

    n_best: Annotated[int, at_least(1)] = 20
    """Candidates that are kept per window. They are the best spans of as many starts and ends."""
    max_answer_tokens: Annotated[int, at_least(0, "0 (chosen by the data) or more")] = 30
    """The longest answer in tokens; 0 chooses the length that holds 95 % of the answers of the
    split train."""
    batch_size: Annotated[int, at_least(1)] = 64
    """Windows per forward pass."""
    precision: Annotated[str, one_of(PRECISIONS)] = "fp32"
    """`fp32`, `bf16` or `auto`, as in the section `train`. With fp32, answers do not depend on how
    windows are batched or served."""
    train_questions: Annotated[int, at_least(0)] = 0
    """So many of the questions that were trained on, the first ones, are judged as well and
    reported as `train`, with the null threshold that is best for them. The table shows their F1 on
    answerable questions without a threshold. This shows that training works where select is too
    small to tell. Models are never selected by it."""

    def __post_init__(self) -> None:
        check_limits(self)
