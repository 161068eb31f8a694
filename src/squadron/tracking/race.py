"""The race that a step belongs to."""

import os
from dataclasses import dataclass

RACE_VARIABLE = "SQUADRON_RACE"
"""Tells every step which race it belongs to. It is no argument of the steps: kfp's cache would then
take a step of another race for another step."""


@dataclass(frozen=True)
class Race:
    """What every step knows of the race it belongs to."""

    name: str
    """Of the experiment, here and in MLflow."""
    key: str
    """Equal for equal experiments on equal data with equal code; a repeat goes on with it."""

    def __str__(self) -> str:
        return f"{self.name}/{self.key}"


def read_race(text: str) -> Race | None:
    """A race from its text, "name/key"; None from "": then nothing is tracked."""
    name, _, key = text.partition("/")
    return Race(name, key) if text else None


def current_race() -> Race | None:
    """The race that this step belongs to, by SQUADRON_RACE; None without it."""
    return read_race(os.environ.get(RACE_VARIABLE, ""))
