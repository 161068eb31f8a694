"""The section `evaluate`: what is measured."""

from dataclasses import dataclass

from squadron.config.checks import require

ANSWER_RULES = ("window", "lowest_null")


@dataclass(frozen=True)
class Evaluate:
    """The evaluate step: what is measured beside EM and F1."""

    bertscore: bool = False
    """BERTScore of the answers to select and test, by the offline encoder, at the price of passing
    all different answers through it. Reported only."""
    answer_rule: str = "window"
    """What a span must beat to be the answer: `window`, the no-answer score of its own window; or
    `lowest_null`, the lowest of all windows of the question, as in the literature. Stored with the
    registered model, which serves by it. The epochs of training are judged by `window`
    (docs/decisions/answer-rule.md)."""

    def __post_init__(self) -> None:
        choices = ANSWER_RULES
        require(self.answer_rule in choices, "answer_rule", self.answer_rule, f"one of {choices}")
