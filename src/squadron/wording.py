"""How figures, intervals and lists are written: one form of each for pages, tables and sentences.

It imports nothing of Squadron and knows no race.
"""

from collections.abc import Sequence
from typing import NamedTuple

MISSING = "–"
"""Stands where there is no figure."""
LEVEL = "95 %"
"""The level of every interval that a race reports (`significance.interval`)."""


def figure(value: float | None, digits: int = 2, missing: str = MISSING) -> str:
    """Returns a figure with thousands separators, such as "1,234.50"."""
    return missing if value is None else f"{value:,.{digits}f}"


def whole(value: float | None) -> str:
    """Returns a figure without decimals, such as "1,234"."""
    return figure(value, 0)


def words(name: str) -> str:
    """Returns the name of a kind or of a group as words: "wrong_place" -> "wrong place"."""
    return name.replace("_", " ")


class Estimate(NamedTuple):
    """A figure with the ends of its interval, which are None if it has none."""

    value: float
    low: float | None = None
    high: float | None = None


def interval(estimate: Estimate) -> str:
    """Returns the interval of a figure from 0 to 100, such as "40.1–52.3"; "" if it has none."""
    low, high = estimate.low, estimate.high
    return "" if low is None or high is None else f"{low:.1f}–{high:.1f}"


def figure_with_interval(estimate: Estimate, *, names_level: bool = False) -> str:
    """Returns "45.00 (40.1–52.3)", or the figure alone if it has no interval.

    Args:
        estimate: A figure from 0 to 100.
        names_level: Write "45.00 (95 % interval 40.1–52.3)". Sentences need it. Tables say the
            level once, in their caption.
    """
    value, shown = figure(estimate.value), interval(estimate)
    if not shown:
        return value
    return f"{value} ({LEVEL} interval {shown})" if names_level else f"{value} ({shown})"


def lead_interval(lead: Estimate) -> str:
    """Returns the interval of a difference in points, such as "-0.50 to 3.20"; "" if it has none.

    A dash between the ends would look like a minus sign.
    """
    low, high = lead.low, lead.high
    return "" if low is None or high is None else f"{low:.2f} to {high:.2f}"


def p_value(p: float) -> str:
    """Returns a p-value with three decimals, such as "p 0.005"."""
    return f"p {p:.3f}"


def join_words(parts: Sequence[str], last: str = "and") -> str:
    """Returns a list as people write it: "a", "a and b", "a, b and c"; "" for an empty list.

    Args:
        parts: What to list.
        last: The word before the last part, "and" or "or".
    """
    *most, end = parts or [""]
    return f"{', '.join(most)} {last} {end}" if most else end


def counted(number: int, noun: str) -> str:
    """Returns a number with its noun, such as "1 page" or "1,200 pages"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
