"""The race that a step belongs to: its name and its key."""

import os
from dataclasses import dataclass

RACE_VARIABLE = "SQUADRON_RACE"
"""The environment variable that tells every step its race, as "name/key". The race is no argument
of the steps, because kfp's cache would then never find a step that another race has run."""


@dataclass(frozen=True)
class Race:
    """The identity of a race."""

    name: str
    """The name of the experiment, here and in MLflow."""
    key: str
    """A digest: equal experiments on equal data with equal code have the same key. A race that is
    started again therefore continues the same runs."""

    def __str__(self) -> str:
        return f"{self.name}/{self.key}"

    @property
    def title(self) -> str:
        """The name that people see, such as example-0123ab. The race's run has it in MLflow."""
        return f"{self.name}-{self.key[:6]}"


def current_race() -> Race | None:
    """Returns the race of SQUADRON_RACE; None without it, which means that nothing is tracked."""
    text = os.environ.get(RACE_VARIABLE, "")
    name, _, key = text.partition("/")
    return Race(name, key) if text else None
