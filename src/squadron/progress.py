"""Shows people how far work has come: a bar on a terminal, lines in a log, events for a launcher.

A step that a launcher starts has no terminal of its own. With SQUADRON_EVENTS=1 it prints each
event as one JSON line to stdout. The launcher draws the events and keeps the lines in its log.
Without a launcher, lines and bars go to stderr.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from types import TracebackType
from typing import Any

EVENT_PREFIX = "@squadron "
EVENTS_VARIABLE = "SQUADRON_EVENTS"
SECONDS_BETWEEN_LINES = 15.0
"""The shortest time between two lines of a log."""
SECONDS_BETWEEN_EVENTS = 0.3
"""The shortest time between two drawings of a bar, and between two events of progress."""
BAR_WIDTH = 10
"""Characters of a bar. A line without room for it has none."""


def say(text: str, **figures: Any) -> None:
    """Shows one line to people: through the launcher if there is one, else on stderr.

    Args:
        text: The line.
        figures: More values for the event. Only a launcher gets them.
    """
    if has_launcher():
        emit({"kind": "line", "text": text, **figures})
    else:
        print(text, file=sys.stderr, flush=True)  # noqa: T201


def emit(event: Mapping[str, object]) -> None:
    """Prints one event to stdout as a JSON line with a prefix, which a launcher reads."""
    print(EVENT_PREFIX + json.dumps(event), flush=True)  # noqa: T201


def emit_error(step: str, reason: str, is_input: bool) -> None:
    """Says why a step failed: as an event for the launcher, else as a line on stderr."""
    if has_launcher():
        emit({"kind": "error", "step": step, "text": reason, "is_input": is_input})
    else:
        print(f"{step}: {reason}", file=sys.stderr, flush=True)  # noqa: T201


def has_launcher() -> bool:
    """Whether a launcher reads the events of this process and draws them."""
    return bool(os.environ.get(EVENTS_VARIABLE))


@dataclass(frozen=True)
class State:
    """How far work has come. Events hold it, and lines and bars show it."""

    title: str
    """The work, such as "train      span"."""
    total: int
    """Number of all units of work."""
    unit: str
    """The unit as a plural noun, such as "windows"."""
    done: int = 0
    """Number of units that are done, those of an earlier try included."""
    first: int = 0
    """Number of units that an earlier try had done."""
    stage: str = ""
    """The part of the work that is under way, such as "epoch 1/2"."""
    seconds: float = 0.0
    """Seconds since the work began in this try."""
    figures: dict[str, float] = field(default_factory=dict)
    """Figures that are shown beside the count, such as the loss."""
    has_ended: bool = False
    """Whether the work came to its end."""

    @property
    def seconds_left(self) -> float | None:
        """An estimate by the pace of this try; None until it has done something."""
        here = self.done - self.first
        return self.seconds * max(0, self.total - self.done) / here if here > 0 else None


def describe(state: State) -> str:
    """Returns the line for a log."""
    pieces = [state.stage] if state.stage and not state.has_ended else []
    pieces.append(_count(state))
    if state.has_ended:
        pieces[-1] += f" in {show_duration(state.seconds)}"
    else:
        pieces += _times(state)
    return f"{state.title}: {', '.join([*pieces, *_figures(state)])}"


def draw(state: State, width: int) -> str:
    """Returns the line for a terminal. Parts without room are left out, and no part is cut.

    Args:
        state: How far the work has come.
        width: Columns of the terminal.
    """
    share = min(1.0, state.done / state.total) if state.total else 1.0
    bar, percent = draw_bar(share), f"{share:4.0%}"
    left = [] if state.seconds_left is None else [f"about {show_clock(state.seconds_left)} left"]
    stage = [state.stage] if state.stage else []
    elapsed, count, figures = f"{show_clock(state.seconds)} elapsed", _count(state), _figures(state)
    chosen = choose_parts(
        (*stage, *left, bar, *figures, elapsed, count), width - len(state.title) - len(percent) - 2
    )
    texts = [each for each in (*stage, elapsed, *left, count, *figures) if each in chosen]
    front = f"{bar} {percent}" if bar in chosen else percent
    return f"{state.title} {front} {', '.join(texts)}".rstrip()


def draw_bar(share: float) -> str:
    """Returns a bar of `BAR_WIDTH` characters.

    Args:
        share: How much is done, 0 to 1.
    """
    filled = int(share * BAR_WIDTH)
    return "█" * filled + "░" * (BAR_WIDTH - filled)


def choose_parts(parts: Sequence[str], width: int) -> list[str]:
    """Returns the parts of a line that fit into a width, with two characters between two parts.

    Args:
        parts: The most useful part first. A part that does not fit is left out.
        width: Columns for all parts. One of them stays free, because a full line makes some
            terminals begin the next one.
    """
    chosen = []
    for part in parts:
        if len(part) < width:
            chosen.append(part)
            width -= len(part) + 2
    return chosen


def show_duration(seconds: float) -> str:
    """Returns a duration for people: "0.4 s", "12 s", "3 min 15 s" or "2 h 5 min"."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def show_clock(seconds: float) -> str:
    """Returns minutes and seconds such as "1:05", from one hour on with hours such as "2:01:05"."""
    minutes, left = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def _count(state: State) -> str:
    return f"{min(state.done, state.total):,}/{state.total:,} {state.unit}"


def _times(state: State) -> list[str]:
    """Returns the elapsed time and, if they can be estimated, the whole and the remaining time."""
    left = state.seconds_left
    elapsed = show_clock(state.seconds)
    if left is None:
        return [elapsed]
    return [f"{elapsed} of about {show_clock(state.seconds + left)}, {show_clock(left)} left"]


def _figures(state: State) -> list[str]:
    return [f"{name} {value:.4g}" for name, value in state.figures.items()]


class Progress:
    """Counts the units of work that are done, and shows them as events, as a bar or as lines.

    It is a context manager; leaving it shows the end of the work.

    Args:
        title: The work, such as "train      span".
        total: Number of all units of work.
        unit: The unit as a plural noun, such as "windows".
    """

    def __init__(self, title: str, total: int, unit: str) -> None:
        self.title, self.total, self.unit = title, total, unit
        self.done = 0
        self.figures: dict[str, float] = {}
        self._first = 0
        self._stage = ""
        self._started = self._last = time.monotonic()
        self._events = has_launcher()
        self._line = None if self._events or not sys.stderr.isatty() else TerminalLines(sys.stderr)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(has_ended=kind is None)

    def resume(self, done: int) -> None:
        """Sets how much an earlier try had done. The pace counts only what is done from now on."""
        self.done = self._first = done

    def enter(self, stage: str) -> None:
        """Sets the part of the work, such as "epoch 1/2". A bar shows it at once."""
        self._stage = stage
        if self._events or self._line:
            self._show(self._state())

    def advance(self, count: int, **figures: float) -> None:
        """Adds finished units of work.

        Args:
            count: How many units.
            figures: Figures that are shown beside the count, such as the loss.
        """
        self.done += count
        self.figures.update(figures)
        is_drawn = self._events or self._line
        gap = SECONDS_BETWEEN_EVENTS if is_drawn else SECONDS_BETWEEN_LINES
        if time.monotonic() - self._last >= gap:
            self._last = time.monotonic()
            self._show(self._state())

    def close(self, *, has_ended: bool = True) -> None:
        """Shows the last state: always to a launcher, else only if the work took a while.

        Args:
            has_ended: Whether the work came to its end; False if it failed.
        """
        state = self._state(has_ended)
        if self._events:
            self._show(state)
            return
        if self._line:
            self._line.clear()
        if has_ended and state.seconds >= SECONDS_BETWEEN_LINES:
            say(describe(state))

    def _state(self, has_ended: bool = False) -> State:
        return State(
            title=self.title,
            total=self.total,
            unit=self.unit,
            done=self.done,
            first=self._first,
            stage=self._stage,
            seconds=time.monotonic() - self._started,
            figures=dict(self.figures),
            has_ended=has_ended,
        )

    def _show(self, state: State) -> None:
        if self._events:
            emit({"kind": "progress", **asdict(state)})
        elif self._line:
            self._line.draw(draw(state, self._line.width))
        else:
            say(describe(state))


class TerminalLines:
    """Lines at the bottom of a terminal that are drawn again and again, and removed at the end.

    Args:
        terminal: The stream on which the lines are drawn.
    """

    def __init__(self, terminal: Any) -> None:
        self._terminal = terminal
        self._lengths: list[int] = []
        """Characters of each line that is drawn."""
        self.can_draw_several = os.environ.get("TERM", "dumb") != "dumb"
        """Whether the terminal can move its cursor up, which several lines need."""

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        return shutil.get_terminal_size((80, 24)).columns

    def draw(self, *lines: str) -> None:
        """Shows lines in place of those before; the first one alone where more can't be drawn.

        A line that is wider than the terminal is cut, because it would take the place of two.
        """
        if not self.can_draw_several:
            lines = lines[:1]
        texts = [line[: self.width - 1] for line in lines]
        texts += [""] * (len(self._lengths) - len(texts))
        # Blanks remove what is left of a longer line before.
        before = self._lengths + [0] * (len(texts) - len(self._lengths))
        padded = [text.ljust(length) for text, length in zip(texts, before, strict=True)]
        self._terminal.write(self._to_first_line() + "\n".join(padded))
        self._terminal.flush()
        self._lengths = [len(text) for text in texts]

    def clear(self) -> None:
        """Removes the lines."""
        if any(self._lengths):
            self.draw("")
            self._terminal.write(self._to_first_line())
            self._terminal.flush()
            self._lengths = []

    def _to_first_line(self) -> str:
        """Returns what moves the cursor to the first character of the lines."""
        above = len(self._lengths) - 1
        return "\r" + (f"\x1b[{above}A" if above > 0 else "")
