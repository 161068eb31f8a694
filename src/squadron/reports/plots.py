"""Plots as SVG text: lines over two axes, and values with their intervals.

Pure: numbers in, SVG out; nothing here knows what is plotted. Every plot has a title and a
description for readers who don't see it, and tells its series by colour, dash and marker, so that
no one needs the colours. Colours are CSS variables: a page sets light or dark ones (`STYLE`), a
file of its own brings them along (`standalone`).

Source: Okabe and Ito 2008 for colours that differ for all eyes, darkened to a contrast of at least
4.5 on white, lightened for dark pages.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 400
"""Of every plot in its own units, about the pixels that it gets on a page."""
STYLES = 8
"""Different colours, dashes and markers; later series have them in other combinations."""

_LIGHT = "0072b2 b84e00 007a59 a8327a 7a6300 5b4fbf 5c5c5c 9c1f1f"
_DARK = "6cc0f0 ff9e5e 45d3a7 f590c6 e6cc4a b8acff c4c4c4 ff8f85"
_DASHES = ("", "7 4", "2 3", "9 3 2 3", "1 4", "12 4", "5 2 1 2 1 2", "4 6")


def colour(style: int) -> str:
    """Of a contender on light ground, such as "#0072b2"; colours repeat after eight."""
    values = _LIGHT.split()
    return f"#{values[style % len(values)]}"


def _colours(values: str) -> str:
    return "".join(f"--c{number}:#{value};" for number, value in enumerate(values.split()))


STYLE = (
    f":root{{{_colours(_LIGHT)}--ink:#1b1f24;--soft:#57606a;--line:#d5dae0;--paper:#fff}}"
    f"@media (prefers-color-scheme:dark){{:root{{{_colours(_DARK)}"
    "--ink:#e8ebef;--soft:#a3adb8;--line:#3a424c;--paper:#14181d}}"
    f"@media print{{:root{{{_colours(_LIGHT)}"
    "--ink:#000;--soft:#444;--line:#bbb;--paper:#fff}}"
    "svg.plot text{font:12px system-ui,sans-serif;fill:var(--soft)}"
    "svg.plot text.strong{fill:var(--ink);font-weight:600}"
    # On ground of its own, where lines cross it.
    "svg.plot text.over{fill:var(--ink);paint-order:stroke;stroke:var(--paper);stroke-width:4px}"
    "svg.plot .axis{stroke:var(--soft);fill:none}"
    "svg.plot .grid{stroke:var(--line);fill:none}"
    "svg.plot .guide{stroke:var(--soft);stroke-dasharray:3 3;fill:none}"
    "svg.plot .series{fill:none;stroke-width:2;stroke-linejoin:round}"
    + "".join(
        f"svg.plot .l{n}{{stroke:var(--c{n})}}svg.plot .d{n}{{stroke-dasharray:{dash or 'none'}}}"
        f"svg.plot .m{n}{{fill:var(--c{n});stroke:var(--paper);stroke-width:.8}}"
        f"svg.plot .w{n}{{stroke:var(--c{n});stroke-width:2.5}}"
        for n, dash in enumerate(_DASHES)
    )
)
"""CSS of all plots, the variables of light, dark and print included."""


@dataclass(frozen=True)
class Series:
    """Points of one thing, in the order in which they are joined."""

    label: str
    style: int
    """Its look; the same for one thing in every plot."""
    points: Sequence[tuple[float, float]]
    has_markers: bool = False
    """A marker on every point, not only in the legend."""
    marked: tuple[float, float] | None = None
    """One point that stands out."""


@dataclass(frozen=True)
class Interval:
    """A value and how sure it is."""

    label: str
    style: int
    value: float
    low: float | None
    high: float | None
    note: str = ""
    """After the label."""


def line_plot(
    title: str,
    about: str,
    series: Sequence[Series],
    x_label: str,
    y_label: str,
    *,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    has_diagonal: bool = False,
) -> str:
    """Lines over two axes; points that are not finite are left out.

    Args:
        title: What it shows.
        about: What is to be seen, for readers who don't see it.
        series: Drawn in this order; those without points are left out.
        x_label: With its unit.
        y_label: Likewise.
        x_range: Of the axis; that of the points if None.
        y_range: Likewise.
        has_diagonal: A line where x equals y.
    """
    series = [_finite(each) for each in series]
    series = [each for each in series if each.points]
    xs = [x for each in series for x, _ in each.points]
    ys = [y for each in series for _, y in each.points]
    x_ticks, y_ticks = _ticks(x_range or _span(xs)), _ticks(y_range or _span(ys))
    (x_low, x_high), (y_low, y_high) = (
        (min(ticks[0], given[0]), max(ticks[-1], given[1]))
        for ticks, given in ((x_ticks, x_range or _span(xs)), (y_ticks, y_range or _span(ys)))
    )
    left, right, top, bottom = 48, WIDTH - 14, 26, 232

    def place(x: float, y: float) -> tuple[float, float]:
        return (
            left + (x - x_low) / (x_high - x_low) * (right - left),
            bottom - (y - y_low) / (y_high - y_low) * (bottom - top),
        )

    parts = [f'<text class="strong" x="4" y="14">{escape(y_label)}</text>']
    for tick, text in zip(y_ticks, _texts(y_ticks), strict=True):
        y = place(x_low, tick)[1]
        parts.append(f'<path class="grid" d="M{left} {y:.1f}H{right}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
    for tick, text in zip(x_ticks, _texts(x_ticks), strict=True):
        x = place(tick, y_low)[0]
        parts.append(f'<path class="axis" d="M{x:.1f} {bottom}v4"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{text}</text>')
    parts.append(f'<path class="axis" d="M{left} {bottom}H{right}"/>')
    parts.append(
        f'<text class="strong" x="{(left + right) / 2:.1f}" y="{bottom + 36}" '
        f'text-anchor="middle">{escape(x_label)}</text>'
    )
    if has_diagonal:
        low, high = max(x_low, y_low), min(x_high, y_high)
        (x1, y1), (x2, y2) = place(low, low), place(high, high)
        parts.append(f'<path class="guide" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>')
    # The first one last: it lies over the others.
    for each in reversed(series):
        points = [place(x, y) for x, y in each.points]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        if len(points) > 1:
            parts.append(f'<path class="{_line(each.style)}" d="M{path}"/>')
        if each.has_markers or len(points) == 1:
            parts += [_marker(each.style, x, y, 4) for x, y in points]
        if each.marked:
            parts.append(_marker(each.style, *place(*each.marked), 6.5))
    legend, height = _legend(series, bottom + 58)
    return _frame(title, about, parts + legend, height)


def interval_plot(
    title: str, about: str, rows: Sequence[Interval], x_label: str, *, guide: float
) -> str:
    """One row per value: its label, a dot, and its interval as a whisker.

    Args:
        title: What it shows.
        about: What is to be seen, for readers who don't see it.
        rows: From top to bottom.
        x_label: With its unit.
        guide: Where a line stands to compare with; always within the plot.
    """
    ends = [guide]
    ends += [end for row in rows for end in (row.value, row.low, row.high) if end is not None]
    ticks = _ticks(_span(ends))
    low, high = min(ticks[0], *ends), max(ticks[-1], *ends)
    left, right, top, step = 10, WIDTH - 16, 8, 36
    bottom = top + step * len(rows)

    def place(x: float) -> float:
        return left + (x - low) / (high - low) * (right - left)

    parts = []
    for tick, text in zip(ticks, _texts(ticks), strict=True):
        x = place(tick)
        parts.append(f'<path class="grid" d="M{x:.1f} {top}V{bottom}"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{text}</text>')
    parts.append(f'<path class="axis" d="M{left} {bottom}H{right}"/>')
    x = place(guide)
    parts.append(f'<path class="guide" d="M{x:.1f} {top}V{bottom}"/>')
    for number, row in enumerate(rows):
        y = top + step * number + 26
        label = row.label + (f" · {row.note}" if row.note else "")
        parts.append(f'<text class="over" x="{left}" y="{y - 12}">{escape(_short(label))}</text>')
        if row.low is not None and row.high is not None:
            x1, x2 = place(row.low), place(row.high)
            ends_path = f"M{x1:.1f} {y}H{x2:.1f}M{x1:.1f} {y - 4}v8M{x2:.1f} {y - 4}v8"
            parts.append(f'<path class="w{row.style % STYLES}" d="{ends_path}"/>')
        parts.append(_marker(row.style, place(row.value), y, 6))
    parts.append(
        f'<text class="strong" x="{(left + right) / 2:.1f}" y="{bottom + 34}" '
        f'text-anchor="middle">{escape(x_label)}</text>'
    )
    return _frame(title, about, parts, bottom + 44)


def swatch(style: int) -> str:
    """A line and a marker in the look of a series, for a table or a sentence."""
    return (
        '<svg class="plot swatch" viewBox="0 0 26 12" width="26" height="12" aria-hidden="true">'
        f'<path class="{_line(style)}" d="M0 6H26"/>{_marker(style, 13, 6, 4.5)}</svg>'
    )


def standalone(svg: str) -> str:
    """A plot as a file of its own: with its style, its namespace and a ground."""
    head, _, body = svg.partition(">")
    ground = '<rect width="100%" height="100%" style="fill:var(--paper)"/>'
    space = ' xmlns="http://www.w3.org/2000/svg"'
    return f"{head}{space}><style>{escape(STYLE, quote=False)}</style>{ground}{body}"


def _frame(title: str, about: str, parts: Sequence[str], height: float) -> str:
    name = "plot-" + (re.sub(r"\W+", "-", title.casefold()).strip("-") or "untitled")
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
        f'height="{height:.0f}" role="img" aria-labelledby="{name} {name}-about">'
        f'<title id="{name}">{escape(title)}</title>'
        f'<desc id="{name}-about">{escape(about)}</desc>{"".join(parts)}</svg>'
    )


def _line(style: int) -> str:
    """The CSS classes of a line."""
    return f"series l{style % STYLES} d{_form(style)}"


def _form(style: int) -> int:
    """The dash and the marker of a style; those of its colour for the first ones."""
    return (style + 3 * (style // STYLES)) % STYLES


def _marker(style: int, x: float, y: float, size: float) -> str:
    """One of eight shapes of about the same area."""
    s, t = size, size * 0.8
    shapes = (
        f"M{x - t:.1f} {y:.1f}a{t:.1f} {t:.1f} 0 1 0 {2 * t:.1f} 0a{t:.1f} {t:.1f} 0 1 0 "
        f"{-2 * t:.1f} 0z",
        f"M{x - t:.1f} {y - t:.1f}h{2 * t:.1f}v{2 * t:.1f}h{-2 * t:.1f}z",
        f"M{x:.1f} {y - s:.1f}L{x + s:.1f} {y + t:.1f}H{x - s:.1f}z",
        f"M{x:.1f} {y - s:.1f}L{x + s:.1f} {y:.1f}L{x:.1f} {y + s:.1f}L{x - s:.1f} {y:.1f}z",
        f"M{x:.1f} {y + s:.1f}L{x + s:.1f} {y - t:.1f}H{x - s:.1f}z",
        f"M{x - s:.1f} {y - s / 3:.1f}h{2 * s:.1f}v{s / 1.5:.1f}h{-2 * s:.1f}z",
        f"M{x - s / 3:.1f} {y - s:.1f}v{2 * s:.1f}h{s / 1.5:.1f}v{-2 * s:.1f}z",
        f"M{x - s:.1f} {y - s:.1f}L{x + s:.1f} {y + s:.1f}V{y - s:.1f}L{x - s:.1f} {y + s:.1f}z",
    )
    return f'<path class="m{style % STYLES}" d="{shapes[_form(style)]}"/>'


def _legend(series: Sequence[Series], top: float) -> tuple[list[str], float]:
    """The legend below a plot, in as many lines as it needs, and where it ends."""
    parts, x, y = [], 10.0, top
    for each in series:
        text = _short(each.label)
        width = 34 + 7 * len(text) + 14
        if x > 10 and x + width > WIDTH:
            x, y = 10.0, y + 20
        parts.append(f'<path class="{_line(each.style)}" d="M{x:.0f} {y - 4:.0f}h26"/>')
        parts.append(_marker(each.style, x + 13, y - 4, 4.5))
        parts.append(f'<text x="{x + 32:.0f}" y="{y:.0f}">{escape(text)}</text>')
        x += width
    return parts, (y + 10 if series else top - 14)


def _short(text: str) -> str:
    limit = 56
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _finite(series: Series) -> Series:
    points = [(x, y) for x, y in series.points if math.isfinite(x) and math.isfinite(y)]
    marked = series.marked
    if marked and not all(map(math.isfinite, marked)):
        marked = None
    return Series(series.label, series.style, points, series.has_markers, marked)


def _span(values: Sequence[float]) -> tuple[float, float]:
    """The least and the greatest value, apart from each other."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    return (low, high) if high - low > 1e-9 * max(1.0, abs(high)) else (low - 0.5, high + 0.5)


def _ticks(span: tuple[float, float]) -> list[float]:
    """Three to seven round numbers, the outer ones at or beyond the ends of the span."""
    low, high = span
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * number for number in range(first, last + 1)]


def _texts(ticks: Sequence[float]) -> list[str]:
    """All with as many digits as their step needs."""
    step = ticks[1] - ticks[0]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if abs(step * 10**digits - round(step * 10**digits)) > 1e-6:
        digits += 1
    return [f"{tick + 0.0:,.{digits}f}" for tick in ticks]
