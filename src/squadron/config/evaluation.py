"""The section `evaluate`: what is measured, and by which rule a model answers."""

from dataclasses import dataclass
from typing import Annotated

from squadron.config.limits import check_limits, one_of

ANSWER_RULES = ("window", "lowest_null")


@dataclass(frozen=True)
class Evaluate:
    """The evaluate step: what is measured in addition to EM and F1, and how a model answers."""

    bertscore: bool = False
    """Also computes the BERTScore of the answers to select and test. It is only reported. It uses
    the offline encoder and passes every different answer through it, which takes time."""
    answer_rule: Annotated[str, one_of(ANSWER_RULES)] = "window"
    """What a span must beat to be the answer. `window`: the no-answer score of its own window.
    `lowest_null`: the lowest no-answer score of all windows of the question, as in the literature.
    The rule is stored with the registered model, which serves by it. The epochs of training are
    always judged by `window` (docs/decisions/answer-rule.md)."""

    def __post_init__(self) -> None:
        check_limits(self)
