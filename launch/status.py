"""What a person reads while a race runs, and how long its steps took at the end.

Texts only: `console.py` decides when they are shown.
"""

import textwrap
from collections.abc import Sequence

from launch.estimate import Left, estimate_left
from launch.race_steps import SHARED, Ended, RaceSteps
from squadron.progress import choose_parts, describe, draw, draw_bar, show_clock, show_duration

TITLE_WIDTH = 11
"""Columns of the name of a step, the blanks before its text included."""
DOING = {
    "ingest": "reading the data",
    "admit": "checking who may race",
    "open_race": "opening the race in MLflow",
    "passages": "reading the documents",
    "index": "loading the encoder",
    "featurize": "cutting texts into windows",
    "train": "loading the network",
    "predict": "loading the model",
    "evaluate": "choosing and scoring answers",
    "answer": "loading the model",
    "register": "comparing and registering",
    "report": "writing the report",
    "close_race": "closing the race in MLflow",
}
"""What a step does as long as it has not said how far it has come."""
FINISHING = "finishing"
"""What a step does after its last window."""
_HEAD = "seconds"
"""The head of the column of labels in the table of seconds."""
_CELL = 10
"""Columns of a cell in the table of seconds, with the blank before it."""
_BRACKETS = "Brackets mark steps from the cache, which took this long when they ran."
_LEAST_SECONDS = 5.0
"""An estimate of a part of what is left is not shown if it is shorter."""


def screen_lines(race: RaceSteps, width: int) -> list[str]:
    """Returns the lines at the bottom of a terminal: the step that runs, and the race.

    Args:
        race: What it has done so far; a step must be running.
        width: Columns of the terminal.
    """
    state = race.state
    if state and not state.has_ended:
        step = draw(state, width)
    else:
        title, parts = _describe_step(race)
        step = title + ", ".join(choose_parts(parts, width - len(title)))
    return [step, _draw_race(race, width)] if race.contenders else [step]


def log_line(race: RaceSteps) -> str:
    """Returns one line for a log: the step that runs, and the race."""
    state = race.state
    if state and not state.has_ended:
        step = describe(state)
    else:
        title, parts = _describe_step(race)
        step = title + ", ".join(parts)
    return f"{step}. Race: {', '.join(_describe_race(race))}" if race.contenders else step


def race_line(race: RaceSteps) -> str:
    """Returns the line for a log that says how far the race has come."""
    return f"{'race':<{TITLE_WIDTH}}{', '.join(_describe_race(race))}"


def cached_line(label: str, steps: Sequence[str], verdict: str) -> str:
    """Returns the line that says which steps came from the cache.

    Args:
        label: The contender; "" for steps that all contenders share.
        steps: Their names.
        verdict: How the contender stands; "" if that is not known.
    """
    whose = f"{label}: " if label else ""
    about = f" ({verdict})" if verdict else ""
    return f"{'from cache':<{TITLE_WIDTH}}{whose}{', '.join(steps)}{about}"


def list_seconds(race: RaceSteps, width: int) -> list[str]:
    """Returns how long each step took: a row per contender, then the other steps and all of it.

    Args:
        race: What it has done. The step that runs counts in the whole time alone.
        width: Columns of the screen.
    """
    ended = {(each.step, each.place): each for each in race.ended}
    longest = max((len(each.label) for each in race.contenders), default=0)
    names = max(len(_HEAD), min(longest, width - 1 - _CELL * (len(race.loop_steps) + 1)))
    lines = [*_lay_out(_HEAD, [*race.loop_steps, "this run"], names)]
    for place, contender in enumerate(race.contenders):
        steps = [ended.get((step, place)) for step in race.loop_steps]
        sums = sum(_own_seconds(each) for each in steps)
        lines += _lay_out(contender.label, [*map(_show_seconds, steps), f"{sums:,.1f}"], names)
    shared = [each for each in race.ended if each.place == SHARED]
    others = ", ".join(f"{each.step} {_show_seconds(each)}" for each in shared)
    lines += textwrap.wrap(f"Other steps: {others}.", width) if shared else []
    if any(each.is_cached for each in race.ended):
        lines += textwrap.wrap(_BRACKETS, width)
    return [*lines, f"This run took {show_duration(race.seconds)}."]


def _lay_out(label: str, cells: Sequence[str], names: int) -> list[str]:
    """Returns a row of the table; a label that is too long gets a line of its own.

    Args:
        label: The first cell.
        cells: The others.
        names: Columns of the first cell.
    """
    right = "".join(f"{cell:>{_CELL}}" for cell in cells)
    return [f"{label:<{names}}{right}"] if len(label) <= names else [label, " " * names + right]


def _show_seconds(ended: Ended | None) -> str:
    """Returns the seconds of a step; in brackets for a step from the cache."""
    if ended is None or ended.note is None:
        return "-"
    shown = f"{ended.note.seconds:,.1f}"
    return f"({shown})" if ended.is_cached else shown


def _own_seconds(ended: Ended | None) -> float:
    """Returns the seconds that a step took in this run."""
    return ended.note.seconds if ended and ended.note and not ended.is_cached else 0.0


def _describe_step(race: RaceSteps) -> tuple[str, list[str]]:
    """Returns the title of the step that runs, and what it does without telling how far it is."""
    running = race.running
    if running is None:
        return "", []
    label = race.label(running.place)
    title = f"{running.step:<{TITLE_WIDTH}}{label}{': ' if label else ''}"
    doing = FINISHING if running.state else DOING[running.step]
    return title, [doing, f"{show_clock(race.step_seconds)} elapsed"]


def _draw_race(race: RaceSteps, width: int) -> str:
    """Returns the race as a line for a terminal. Parts without room are left out."""
    parts = _describe_race(race)
    step, *others = parts
    # The elapsed time says least where the time that is left is known.
    elapsed = others.pop(0)
    bar = draw_bar(len(race.ended) / race.total)
    chosen = choose_parts([step, *others, elapsed, bar], width - TITLE_WIDTH)
    front = f"{bar} " if bar in chosen else ""
    texts = ", ".join(each for each in parts if each in chosen)
    return f"{'race':<{TITLE_WIDTH}}{front}{texts}"


def _describe_race(race: RaceSteps) -> list[str]:
    """Returns the step, the elapsed time and, if they are known, the time left and the best EM."""
    parts = [
        f"step {min(race.number, race.total)} of {race.total}",
        f"{show_clock(race.seconds)} elapsed",
    ]
    left = estimate_left(race)
    if left and (left.is_all or left.seconds >= _LEAST_SECONDS):
        parts.append(_describe_left(left))
    if race.best:
        parts.append(f"best EM {race.best.exact_match:.2f} ({race.best.label})")
    return parts


def _describe_left(left: Left) -> str:
    """Returns the time that is left, as coarse as it is known."""
    step = 5 if left.seconds < 60 else 10 if left.seconds < 600 else 60
    shown = show_clock(max(step, step * round(left.seconds / step)))
    return f"about {shown} left" if left.is_all else f"about {shown} or more left"
