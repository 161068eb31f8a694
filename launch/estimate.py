"""Estimates how long the rest of a race takes, from its plan and the steps that were measured.

A training or a prediction is estimated by its windows: how many the plan makes likely, and how fast
the same network was with windows of the same length. Any other step is taken to last as long as
the steps of its kind did. A step that nothing measured says anything about has no estimate. The
reasons are in docs/decisions/what-a-race-shows.md.
"""

import functools
from collections.abc import Hashable
from dataclasses import dataclass

from launch.race_steps import SHARED, RaceSteps
from squadron.config import Contender
from squadron.models import variants
from squadron.runs_folder.step_notes import StepNote

FIRST_STEP = "featurize"
"""Contenders with equal windows share this step."""
_Key = tuple[Hashable, ...]
"""It names the steps over which a mean is taken."""


@dataclass(frozen=True)
class Left:
    """An estimate of the time that the rest of a race takes."""

    seconds: float
    is_all: bool
    """Whether every step has an estimate. If not, `seconds` is what the others take."""


def estimate_left(race: RaceSteps) -> Left | None:
    """Returns what is left of a race; None as long as no training or prediction was measured.

    A step that will come from the cache counts in full, because only kfp knows that, when the step
    begins.
    """
    measured = _Measured(race)
    if not measured.has_windows:
        return None
    parts = [measured.estimate(step, place) for step, place in race.list_coming()]
    parts.append(_estimate_running(race, measured))
    known = [part for part in parts if part is not None]
    return Left(sum(known), is_all=len(known) == len(parts))


def _estimate_running(race: RaceSteps, measured: "_Measured") -> float | None:
    """Returns the seconds that are left of the step that runs."""
    running, state = race.running, race.state
    if running is None:
        return 0.0
    if state and state.seconds_left is not None:
        return state.seconds_left
    whole = measured.estimate(running.step, running.place)
    return None if whole is None else max(0.0, whole - race.step_seconds)


class _Measured:
    """Means over the steps of a race that were measured, and what they say about other steps.

    The screen asks several times a second, so all means are found in one pass.

    Args:
        race: What it has done so far.
    """

    def __init__(self, race: RaceSteps) -> None:
        self._contenders = race.contenders
        self._sums: dict[_Key, tuple[float, float]] = {}
        """(whether the steps came from the cache, *key of the mean) -> the sum and the number."""
        self.has_windows = False
        """Whether a training or a prediction was measured."""
        self._first: dict[_Key, int] = {}
        """The windows of a contender -> the place of the first contender that has them."""
        for place, contender in enumerate(race.contenders):
            self._first.setdefault(_windows_key(contender), place)
        for each in race.list_measured():
            if each.note:
                self._add_note(each.step, each.place, each.note, is_cached=each.is_cached)

    def estimate(self, step: str, place: int) -> float | None:
        """Returns the seconds that a step takes from its start to its end; None if unknown.

        Args:
            step: Its name.
            place: The place of its contender, or `SHARED`.
        """
        if place == SHARED:
            # Each of these steps runs once, so the others say how long such a step takes.
            return self._mean(("shared",))
        contender = self._contenders[place]
        if step == FIRST_STEP and self._first[_windows_key(contender)] < place:
            return 0.0  # It comes from the cache.
        if step not in ("train", "predict"):
            return self._mean(("seconds", step))
        start = self._mean(("start", step))
        if step == "train" and not variants.is_trained(contender.variant):
            return start
        pace = self._find_pace(step, contender)
        windows = self._mean(_amount_key(step, contender))
        if start is None or pace is None or windows is None:
            return None
        return start + _count_rounds(step, contender) * windows * pace

    def _add_note(self, step: str, place: int, note: StepNote, *, is_cached: bool) -> None:
        add = functools.partial(self._add, is_cached)
        if place == SHARED:
            add(("shared",), note.seconds)
            return
        contender = self._contenders[place]
        add(("seconds", step), note.seconds)
        add(("start", step), note.seconds - note.windows_seconds)
        if note.windows:
            self.has_windows = True
            pace = _pace_key(step, contender)
            add(pace, note.windows_seconds, note.windows)
            add((*pace, contender.variant), note.windows_seconds, note.windows)
            amount = _amount_key(step, contender)
            add(amount, note.windows_planned, _count_rounds(step, contender))

    def _find_pace(self, step: str, contender: Contender) -> float | None:
        """Returns the seconds per window of a network; of the same variant if that has run."""
        pace = _pace_key(step, contender)
        own = self._mean((*pace, contender.variant))
        return self._mean(pace) if own is None else own

    def _add(self, is_cached: bool, key: _Key, amount: float, count: float = 1) -> None:
        amounts, counts = self._sums.get((is_cached, *key), (0.0, 0.0))
        self._sums[is_cached, *key] = amounts + amount, counts + count

    def _mean(self, key: _Key) -> float | None:
        """Returns the mean of what this run measured, else of steps from the cache, else None.

        The machine may have been slower or faster when a step from the cache ran.
        """
        for is_cached in (False, True):
            amounts, counts = self._sums.get((is_cached, *key), (0.0, 0.0))
            if counts:
                return amounts / counts
        return None


def _windows_key(contender: Contender) -> _Key:
    """Returns what decides the windows that featurize cuts."""
    return contender.backbone, contender.windows


def _pace_key(step: str, contender: Contender) -> _Key:
    """Returns what decides the seconds per window, without the variant."""
    return "pace", step, contender.backbone, contender.windows.max_length


def _amount_key(step: str, contender: Contender) -> _Key:
    """Returns what decides how many windows an epoch of training or a prediction has."""
    train, asked = contender.train, contender.predict.train_questions
    if step == "train":
        limits: _Key = train.max_examples, train.max_negative_windows
    else:
        limits = (min(asked, train.max_examples or asked),)
    return "windows", step, contender.windows, *limits


def _count_rounds(step: str, contender: Contender) -> int:
    """Returns how often a step takes all its windows."""
    return contender.train.epochs if step == "train" else 1
