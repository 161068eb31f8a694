"""How a model answers: its null threshold, its answer rule and its probabilities.

Evaluation settles them on the tune split, and a registered model keeps them. metrics.json and
status.json hold them under "answering", the folder of a registered model in answering.json.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from squadron.answers.calibration import Calibration
from squadron.config import ANSWER_RULES, from_mapping
from squadron.errors import InputError


@dataclass(frozen=True)
class Answering:
    """How candidates become one answer per question with a probability.

    The defaults hold for a model that was never evaluated, and for one that was registered before
    the field existed. So they never change, whatever the defaults of an experiment are.
    """

    null_threshold: float | None = None
    """A question is answered if its best score exceeds this; None answers every question."""
    answer_rule: str = "window"
    """One of config.ANSWER_RULES."""
    calibration: Calibration | None = None
    """Turns scores into probabilities; None if the model has no probabilities."""

    def __post_init__(self) -> None:
        """Refuses a rule that this version does not know."""
        if self.answer_rule not in ANSWER_RULES:
            raise InputError(
                f"The model answers by the rule {self.answer_rule!r}, this version knows "
                f"{ANSWER_RULES}; use the version of squadron that registered it"
            )

    @classmethod
    def read(cls, fields: Mapping[str, object]) -> "Answering":
        """Reads answering.json; absent fields get their defaults, others are ignored.

        Raises:
            InputError: If this version does not know the answer rule or the calibration.
        """
        known = {name: fields[name] for name in cls.__dataclass_fields__ if name in fields}
        calibration = known.get("calibration")
        if isinstance(calibration, dict):
            # Older models also have the field `scores`, which is empty.
            known["calibration"] = {k: v for k, v in calibration.items() if k != "scores"}
        return from_mapping(cls, known)
