"""The contenders of a race as the step register gets them, and where they come from."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from squadron.models.model_names import ModelName, read_model_name
from squadron.scores.contender_result import ContenderResult

CHAMPION = "champion"
"""The variant of a registered model that races again."""


@dataclass(frozen=True)
class Contenders:
    """What the other steps left of each contender, in one order."""

    results: Sequence[ContenderResult]
    models: Sequence[Path]
    evaluations: Sequence[Path]
    order: Sequence[int]
    """Their positions, the best first and the disqualified last."""

    @property
    def racing(self) -> list[int]:
        """Positions of those that were not disqualified, the best first."""
        return [n for n in self.order if not self.results[n].disqualified]

    @property
    def best(self) -> ContenderResult:
        """The winner; there must be one."""
        return self.results[self.racing[0]]

    @property
    def best_model(self) -> Path:
        """The model folder of the winner."""
        return self.models[self.racing[0]]

    def find_origin(self, number: int) -> ModelName | None:
        """Returns the version that a champion is; None for other contenders."""
        from squadron.models.model_folder import read_about

        if self.results[number].variant != CHAMPION:
            return None
        return read_model_name(read_about(self.models[number]).contender.backbone)
