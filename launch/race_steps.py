"""Keeps what a race has done so far: the step that runs, the time of the others, and the leader.

`console.py` tells it what it hears of the steps. `estimate.py` and `status.py` read it.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from squadron.config import Contender
from squadron.progress import State
from squadron.runs_folder.step_notes import StepNote
from squadron.steps import STEPS

SHARED = -1
"""The place of the contender for a step that all contenders share."""
LEAST_SHARE = 0.1
"""How much of a step must be done before its pace counts for other steps."""


@dataclass(frozen=True)
class Ended:
    """A step that has ended."""

    step: str
    place: int
    """The place of its contender in the race, or `SHARED`."""
    note: StepNote | None
    """What is known of it; None for a step from the cache of which nothing was noted."""
    is_cached: bool = False


@dataclass
class Running:
    """The step that runs. It changes while the step says how far it has come."""

    step: str
    place: int
    """The place of its contender in the race, or `SHARED`."""
    started: float
    """When it began, by the clock of the race."""
    state: State | None = None
    """How far it has come; None if it has not said so."""
    told: float = 0.0
    """When it said so, by the clock of the race."""
    exact_match: float | None = None
    """EM on select, from a step that has judged a contender."""


@dataclass(frozen=True)
class Best:
    """The contender with the highest EM on select so far."""

    label: str
    exact_match: float


class RaceSteps:
    """The steps of a race: those that have ended, the one that runs, and those that will.

    Args:
        contenders: In the order in which they run.
        clock: Returns seconds since any moment.
        has_documents: Whether the race has the steps that need documents.
    """

    def __init__(
        self,
        contenders: Sequence[Contender] = (),
        clock: Callable[[], float] = time.monotonic,
        *,
        has_documents: bool = False,
    ) -> None:
        self.contenders = tuple(contenders)
        self.ended: list[Ended] = []
        self.running: Running | None = None
        self.best: Best | None = None
        steps = [each for each in STEPS if has_documents or not each.needs_documents]
        self.loop_steps = tuple(each.name for each in steps if each.is_per_contender)
        """The steps that run once for each contender, in their order."""
        self._plan = self._list_steps([each.name for each in steps])
        self._clock = clock
        self._started = clock()
        self._place = SHARED
        """The place of the contender whose steps run."""

    @property
    def seconds(self) -> float:
        """Seconds since the race began in this try."""
        return self._clock() - self._started

    @property
    def step_seconds(self) -> float:
        """Seconds since the step that runs began; 0 if none runs."""
        return self._clock() - self.running.started if self.running else 0.0

    @property
    def state(self) -> State | None:
        """How far the step that runs has come by now; None if it has not said so."""
        running = self.running
        if running is None or running.state is None or running.state.has_ended:
            return running.state if running else None
        since = self._clock() - running.told
        return replace(running.state, seconds=running.state.seconds + since)

    @property
    def number(self) -> int:
        """The number of the step that runs; the first one is 1."""
        return len(self.ended) + 1

    @property
    def total(self) -> int:
        """The number of all steps of the race."""
        return len(self._plan)

    def label(self, place: int) -> str:
        """Returns the label of the contender at a place; "" for `SHARED`."""
        return self.contenders[place].label if 0 <= place < len(self.contenders) else ""

    def begin(self, step: str) -> None:
        """Notes that a step begins, and that the one before it has ended."""
        self.end()
        self.running = Running(step, self._find_place(step), self._clock())

    def take(self, step: str, note: StepNote | None) -> int:
        """Notes that a step came from the cache; returns the place of its contender."""
        self.end()
        place = self._find_place(step)
        self.ended.append(Ended(step, place, note, is_cached=True))
        return place

    def advance(self, state: State) -> None:
        """Notes how far the step that runs has come."""
        if self.running:
            self.running.state, self.running.told = state, self._clock()

    def judge(self, place: int, exact_match: float) -> str:
        """Notes the EM of a contender and returns in words how it stands; "" if it does not lead.

        Args:
            place: The place of the contender.
            exact_match: On select, 0 to 100.
        """
        if self.running and self.running.place == place:
            self.running.exact_match = exact_match
        if self.best is None or exact_match > self.best.exact_match:
            self.best = Best(self.label(place), exact_match)
            return "best so far"
        is_level = exact_match == self.best.exact_match
        return f"level with {self.best.label}, the best so far" if is_level else ""

    def end(self) -> StepNote | None:
        """Notes that the step that runs has ended; returns what is known of it, or None."""
        if self.running is None:
            return None
        note = self._note(self.running)
        self.ended.append(Ended(self.running.step, self.running.place, note))
        self.running = None
        return note

    def list_coming(self) -> list[tuple[str, int]]:
        """Returns the steps that have not begun, with the places of their contenders."""
        begun = {(each.step, each.place) for each in (*self.ended, self.running) if each}
        return [each for each in self._plan if each not in begun]

    def list_measured(self) -> list[Ended]:
        """Returns the steps of which something is known; the running one, too, if it is enough."""
        measured = [each for each in self.ended if each.note]
        if self.running:
            note = self._note(self.running)
            # A step that has judged its contender is about to end.
            is_judged = note.exact_match is not None
            if is_judged or note.windows >= LEAST_SHARE * note.windows_planned > 0:
                measured.append(Ended(self.running.step, self.running.place, note))
        return measured

    def _find_place(self, step: str) -> int:
        """Returns the place of the contender whose step begins, or `SHARED`.

        Contenders run one after the other, and each begins with the first of its steps.
        """
        if step not in self.loop_steps:
            return SHARED
        if step == self.loop_steps[0]:
            self._place += 1
        return self._place

    def _note(self, running: Running) -> StepNote:
        """Returns what is known of the step that runs."""
        state = running.state
        seconds = self._clock() - running.started
        if state is None or state.unit != "windows":
            return StepNote(seconds, exact_match=running.exact_match)
        done = state.done - state.first
        return StepNote(seconds, done, state.seconds, state.total, running.exact_match)

    def _list_steps(self, names: list[str]) -> list[tuple[str, int]]:
        """Returns all steps of a race in their order, with the places of their contenders."""
        first = names.index(self.loop_steps[0])
        after = names.index(self.loop_steps[-1]) + 1
        places = range(len(self.contenders))
        loop = [(step, place) for place in places for step in self.loop_steps]
        before, behind = [
            [(step, SHARED) for step in part] for part in (names[:first], names[after:])
        ]
        return [*before, *loop, *behind]
