"""How figures, intervals and lists are written: one form of each for pages, tables and sentences.

It imports nothing of Squadron and knows no race.
"""

from collections.abc import Mapping, Sequence
from typing import Any

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


def interval(summary: Mapping[str, Any], key: str, by: str = "") -> str:
    """Returns the interval of a figure, such as "40.1–52.3"; "" if it has none.

    Args:
        summary: Figures of a split, or of a part of it, 0 to 100.
        key: The name of the figure, such as "exact".
        by: "" for the interval by paragraph, "title" for the interval by title.
    """
    prefix = f"{key}_{by}" if by else key
    low, high = summary.get(f"{prefix}_low"), summary.get(f"{prefix}_high")
    return "" if low is None or high is None else f"{low:.1f}–{high:.1f}"


def figure_with_interval(summary: Mapping[str, Any], key: str, *, names_level: bool = False) -> str:
    """Returns "45.00 (40.1–52.3)", or the figure alone if it has no interval.

    Args:
        summary: As for `interval`.
        key: As for `interval`.
        names_level: Write "45.00 (95 % interval 40.1–52.3)". Sentences need it. Tables say the
            level once, in their caption.
    """
    value, shown = figure(summary[key]), interval(summary, key)
    if not shown:
        return value
    return f"{value} ({LEVEL} interval {shown})" if names_level else f"{value} ({shown})"


def lead_interval(lead: Mapping[str, Any]) -> str:
    """Returns the interval of a difference, such as "-0.50 to 3.20"; "" if it has none.

    A dash between the ends would look like a minus sign.

    Args:
        lead: A comparison of champion.json, in points.
    """
    low, high = lead["low"], lead["high"]
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
