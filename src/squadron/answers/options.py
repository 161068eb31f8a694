"""The options of one question: the number of answers, the threshold and the longest answer."""

import math
from dataclasses import dataclass

from squadron.errors import InputError

MOST_ANSWERS = 20
"""Highest `top_k`: as many candidates as a model keeps per window by default (predict.n_best)."""
MOST_ANSWER_TOKENS = 512
"""Highest `max_answer_tokens`: most models read no longer windows."""


@dataclass(frozen=True)
class AnswerOptions:
    """How one question is answered. The defaults answer it as the model was evaluated."""

    top_k: int = 1
    """The number of different answers, the best one included, 1 to MOST_ANSWERS."""
    threshold: float | None = None
    """Log-odds that the best span must exceed to be the answer; None takes the threshold with which
    the model was registered."""
    max_answer_tokens: int | None = None
    """The longest answer in tokens, 1 to MOST_ANSWER_TOKENS; None is as evaluated."""
    explain: bool = False
    """Whether the answer also says what each window of the context gave."""

    def __post_init__(self) -> None:
        """Raises InputError if an option is out of its range."""
        if not 1 <= self.top_k <= MOST_ANSWERS:
            raise InputError(f"top_k is {self.top_k}; it must be 1 to {MOST_ANSWERS}")
        if self.threshold is not None and not math.isfinite(self.threshold):
            raise InputError(f"threshold is {self.threshold}; it must be a finite number")
        most = self.max_answer_tokens
        if most is not None and not 1 <= most <= MOST_ANSWER_TOKENS:
            raise InputError(f"max_answer_tokens is {most}; it must be 1 to {MOST_ANSWER_TOKENS}")


AS_EVALUATED = AnswerOptions()
"""The options with which a model was evaluated."""
