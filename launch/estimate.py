"""Estimates how long the rest of a race takes, from its plan and the steps that were measured.

A training or a prediction is estimated by its windows: how many the plan makes likely, and how fast
the same network was with windows of the same length. Any other step is taken to last as long as
the steps of its kind did. A step that nothing measured says anything about has no estimate.
"""

import ast
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from launch.plan import LOOP_STEPS
from launch.race_steps import SHARED, RaceSteps
from squadron.config import Contender
from squadron.models import variants
from squadron.runs_folder.step_notes import StepNote

_Measured = Sequence[tuple[Contender, StepNote]]
"""What is known of one step of several contenders."""
_AllMeasured = Mapping[str, Sequence[tuple[int, StepNote]]]
"""Step -> what is known of it, with the places of the contenders."""


@dataclass(frozen=True)
class Left:
    """What is left of a race."""

    seconds: float
    is_all: bool
    """Whether every step has an estimate. If not, `seconds` is what the others take."""


def estimate_left(race: RaceSteps) -> Left | None:
    """Returns what is left of a race; None as long as no training or prediction was measured.

    A step that will come from the cache counts in full, because only kfp knows that, when the step
    begins.
    """
    measured: dict[str, list[tuple[int, StepNote]]] = {}
    for step, place, note in race.list_measured():
        measured.setdefault(step, []).append((place, note))
    if not any(note.windows for notes in measured.values() for _, note in notes):
        return None
    parts = [_estimate(race, measured, step, place) for step, place in race.list_coming()]
    parts.append(_estimate_running(race, measured))
    known = [part for part in parts if part is not None]
    return Left(sum(known), is_all=len(known) == len(parts))


@functools.cache
def is_trained(variant: str) -> bool:
    """Whether the step train trains contenders of a variant, by `TRAINS` in the variant's source.

    The module itself would import torch.
    """
    source = Path(variants.__path__[0], f"{variant}.py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "TRAINS":
            return ast.unparse(node.value) != "False"
    return True


def _estimate_running(race: RaceSteps, measured: _AllMeasured) -> float | None:
    """Returns the seconds that are left of the step that runs."""
    running, state = race.running, race.state
    if running is None:
        return 0.0
    if state and state.seconds_left is not None:
        return state.seconds_left
    whole = _estimate(race, measured, running.step, running.place)
    return None if whole is None else max(0.0, whole - race.step_seconds)


def _estimate(race: RaceSteps, measured: _AllMeasured, step: str, place: int) -> float | None:
    """Returns the seconds that a step takes from its start to its end; None if nothing says so."""
    if place == SHARED:
        # Each of these steps runs once, so the others say how long such a step takes.
        notes = [note for some in measured.values() for at, note in some if at == SHARED]
        return _mean(note.seconds for note in notes)
    contender = race.contenders[place]
    same = [(race.contenders[at], note) for at, note in measured.get(step, ())]
    if step == LOOP_STEPS[0]:
        earlier = race.contenders[:place]
        if any(_has_same_windows(contender, each) for each in earlier):
            return 0.0  # It comes from the cache.
    if step == "train":
        return _estimate_training(contender, same)
    if step == "predict":
        return _add(_estimate_start(same), _estimate_prediction(contender, same))
    return _mean(note.seconds for _, note in same)


def _estimate_training(contender: Contender, measured: _Measured) -> float | None:
    start = _estimate_start(measured)
    if not is_trained(contender.variant):
        return start
    per_epoch = _mean(
        note.windows_planned / other.train.epochs
        for other, note in measured
        if note.windows and _trains_on_same(contender, other)
    )
    pace = _measure_pace(contender, measured)
    if per_epoch is None or pace is None:
        return None
    return _add(start, contender.train.epochs * per_epoch * pace)


def _estimate_prediction(contender: Contender, measured: _Measured) -> float | None:
    """Returns the seconds in which a contender's windows are predicted, without the start."""
    windows = _mean(
        note.windows_planned
        for other, note in measured
        if note.windows and _is_judged_on_same(contender, other)
    )
    pace = _measure_pace(contender, measured)
    return None if windows is None or pace is None else windows * pace


def _estimate_start(measured: _Measured) -> float | None:
    """Returns the seconds of a step without its windows: loading, saving and telling MLflow."""
    return _mean(note.seconds - note.windows_seconds for _, note in measured)


def _measure_pace(contender: Contender, measured: _Measured) -> float | None:
    """Returns the seconds per window of the same network; of the same variant if it has run."""
    like = [
        (other, note)
        for other, note in measured
        if note.windows
        and other.backbone == contender.backbone
        and other.windows.max_length == contender.windows.max_length
    ]
    like = [each for each in like if each[0].variant == contender.variant] or like
    windows = sum(note.windows for _, note in like)
    return sum(note.windows_seconds for _, note in like) / windows if windows else None


def _has_same_windows(one: Contender, other: Contender) -> bool:
    return (one.backbone, one.windows) == (other.backbone, other.windows)


def _trains_on_same(one: Contender, other: Contender) -> bool:
    """Whether two contenders train on about as many windows in an epoch."""
    return one.windows == other.windows and all(
        getattr(one.train, limit) == getattr(other.train, limit)
        for limit in ("max_examples", "max_negative_windows")
    )


def _is_judged_on_same(one: Contender, other: Contender) -> bool:
    """Whether about as many windows of two contenders are predicted."""
    return one.windows == other.windows and _train_questions(one) == _train_questions(other)


def _train_questions(contender: Contender) -> int:
    """Returns how many questions of train a contender is judged on at most."""
    asked = contender.predict.train_questions
    return min(asked, contender.train.max_examples or asked)


def _add(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one + other


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return mean(found) if found else None
