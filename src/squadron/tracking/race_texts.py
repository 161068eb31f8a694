"""Lists of races as text for a terminal, 80 columns wide.

Owns how races, tables and lines look there. `races` reads the races.
"""

import io
import time
from collections.abc import Iterable, Sequence

from squadron.reports.plain_tables import make_table
from squadron.tracking.races import Contender, RaceRow
from squadron.tracking.store import shown_store

WIDTH = 80
"""Columns of a line."""


def draw_list(races: Sequence[RaceRow]) -> str:
    """Returns the races as a table, with the reasons of those that failed."""
    if not races:
        return wrap_line(f"There is no race in {shown_store()}; `make run` starts one.")
    rows = [
        (
            race.name,
            show_start(race),
            race.status,
            race.winner.label if race.winner else "-",
            *(show_figure(race.winner, f"select_{name}") for name in ("exact_match", "f1")),
            race.version or "-",
        )
        for race in races
    ]
    heads = ("race", "started", "status", "winner", "EM", "F1", "version")
    failed = [f"{race.name} failed: {race.reason}" for race in races if race.reason]
    lines = [draw_table(heads, rows, figures=3), "EM and F1 are the winner's on select, 0 to 100."]
    return "\n".join([*lines, *map(wrap_line, failed)])


def draw_prunable(races: Sequence[RaceRow]) -> str:
    """Returns one line for each race that can be deleted."""
    return "\n".join(
        wrap_line(f"  {race.name}, {show_start(race)}: {race.reason or 'it was never ended'}")
        for race in races
    )


def show_start(race: RaceRow) -> str:
    """Returns when a race was opened, in local time."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(race.started_ms / 1000))


def show_figure(contender: Contender | None, name: str) -> str:
    """Returns a metric of a contender with two decimals; "-" if there is none."""
    value = contender.metrics.get(name) if contender else None
    return "-" if value is None else f"{value:.2f}"


def draw_table(heads: Sequence[str], rows: Iterable[Sequence[str]], figures: int) -> str:
    """Returns a table. Text that is too long continues on the next line; figures are never cut.

    Args:
        heads: The heads of the columns.
        rows: The cells of each row.
        figures: How many of the last columns hold figures.
    """
    from rich.console import Console

    console = Console(width=WIDTH, record=True, file=io.StringIO(), highlight=False, markup=False)
    console.print(make_table(heads, rows, figures, gap=1))
    return "\n".join(line.rstrip() for line in console.export_text().splitlines())


def wrap_line(line: str) -> str:
    """Returns a text in lines of at most 80 columns; all but the first are indented further."""
    import textwrap

    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(
        line.strip(),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        # A path or an address must stay whole, so that it can be copied.
        break_long_words=False,
        break_on_hyphens=False,
    )
