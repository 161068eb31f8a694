"""How a model answers: what evaluation settled on tune, a registered model keeps and serves by.

One object travels: metrics.json and status.json hold it under "answering", a registered model
folder as answering.json.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from squadron.answers.calibration import Calibration
from squadron.config import ANSWER_RULES
from squadron.errors import InputError


@dataclass(frozen=True)
class Answering:
    """From candidates to one answer per question and how sure it is.

    The defaults are those of a model that was never evaluated, and of one that was registered
    before there was such a field: they never change, whatever an experiment's defaults are.
    """

    null_threshold: float | None = None
    """Scores must exceed it; None answers every question."""
    answer_rule: str = "window"
    """One of config.ANSWER_RULES."""
    calibration: Calibration | None = None
    """Turns scores into probabilities."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"calibration": self.calibration and self.calibration.as_dict()}

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> "Answering":
        """Of what `as_dict` gave; absent fields get their defaults, others are ignored.

        Raises:
            InputError: If the answer rule is not one of this version's.
        """
        rule = fields.get("answer_rule", cls.answer_rule)
        if rule not in ANSWER_RULES:
            raise InputError(
                f"The model answers by the rule {rule!r}, this version knows {ANSWER_RULES}; "
                "use the version of squadron that registered it"
            )
        calibration = fields.get("calibration")
        return cls(
            fields.get("null_threshold"),
            rule,
            Calibration.from_dict(calibration) if calibration else None,
        )
