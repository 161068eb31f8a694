"""Plots as SVG text: lines over two axes, and values with their intervals.

This module gets numbers and returns SVG. It does not know what is plotted. Every plot has a title
and a description for readers who don't see it. Series differ by colour, dash and marker, so that
nobody needs to see the colours. Colours are CSS variables. A page sets light or dark ones
(`STYLE`), and a plot in a file of its own has them inside (`standalone`).

Source: Okabe and Ito 2008 for colours that differ for all eyes, darkened to a contrast of at least
4.5 on white, lightened for dark pages.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH = 400
"""Width of every plot in its own units, which are about the pixels that it gets on a page."""
STYLES = 8
"""Number of colours, dashes and markers. Later series combine them in other ways."""

_LIGHT = "0072b2 b84e00 007a59 a8327a 7a6300 5b4fbf 5c5c5c 9c1f1f"
_DARK = "6cc0f0 ff9e5e 45d3a7 f590c6 e6cc4a b8acff c4c4c4 ff8f85"
_DASHES = ("", "7 4", "2 3", "9 3 2 3", "1 4", "12 4", "5 2 1 2 1 2", "4 6")


def colour(style: int) -> str:
    """Returns the colour of a style on light ground, such as "#0072b2"; eight of them repeat."""
    values = _LIGHT.split()
    return f"#{values[style % len(values)]}"


def _colours(values: str) -> str:
    """Returns the CSS variables of colours."""
    return "".join(f"--c{number}:#{value};" for number, value in enumerate(values.split()))


STYLE = (
    f":root{{{_colours(_LIGHT)}--ink:#1b1f24;--soft:#57606a;--line:#d5dae0;--paper:#fff}}"
    f"@media (prefers-color-scheme:dark){{:root{{{_colours(_DARK)}"
    "--ink:#e8ebef;--soft:#a3adb8;--line:#3a424c;--paper:#14181d}}"
    f"@media print{{:root{{{_colours(_LIGHT)}"
    "--ink:#000;--soft:#444;--line:#bbb;--paper:#fff}}"
    "svg.plot text{font:12px system-ui,sans-serif;fill:var(--soft)}"
    "svg.plot text.strong{fill:var(--ink);font-weight:600}"
    # The outline in the colour of the paper keeps the text readable where lines cross it.
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
"""CSS of all plots, with the variables for light pages, dark pages and print."""


@dataclass(frozen=True)
class Series:
    """Points that belong together, in the order in which a line joins them."""

    label: str
    style: int
    """The number of its look, which should be the same in every plot."""
    points: Sequence[tuple[float, float]]
    has_markers: bool = False
    """Draw a marker on every point, not only in the legend."""
    marked: tuple[float, float] | None = None
    """One point with a larger marker."""


@dataclass(frozen=True)
class Interval:
    """A value and its interval."""

    label: str
    style: int
    value: float
    low: float | None
    high: float | None
    note: str = ""
    """Text after the label."""


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
    """Draws lines over two axes. Points that are not finite are left out.

    Args:
        title: What the plot shows.
        about: What a reader sees, for readers who don't see it.
        series: Those without points are left out. The first one lies over the others.
        x_label: With its unit.
        y_label: With its unit.
        x_range: What the axis spans at least; the range of the points if None.
        y_range: Likewise.
        has_diagonal: Draw a line where x equals y.
    """
    series = [_finite(each) for each in series]
    series = [each for each in series if each.points]
    axes = _Axes(
        x_range or _span([x for each in series for x, _ in each.points]),
        y_range or _span([y for each in series for _, y in each.points]),
    )
    parts = [
        f'<text class="strong" x="4" y="14">{escape(y_label)}</text>',
        *axes.draw(),
        f'<text class="strong" x="{(axes.left + axes.right) / 2:.1f}" y="{axes.bottom + 36}" '
        f'text-anchor="middle">{escape(x_label)}</text>',
    ]
    if has_diagonal:
        parts.append(axes.draw_diagonal())
    for each in reversed(series):
        parts += _draw_series(each, axes)
    legend, height = _legend(series, axes.bottom + 58)
    return _frame(title, about, parts + legend, height)


class _Axes:
    """Two axes: where points lie, and their ticks.

    Args:
        x_range: What the axis spans at least; ticks may lie beyond it.
        y_range: Likewise.
    """

    left, right, top, bottom = 48, WIDTH - 14, 26, 232

    def __init__(self, x_range: tuple[float, float], y_range: tuple[float, float]) -> None:
        self._x_ticks, self._y_ticks = _ticks(x_range), _ticks(y_range)
        (self._x_low, self._x_high), (self._y_low, self._y_high) = (
            (min(ticks[0], given[0]), max(ticks[-1], given[1]))
            for ticks, given in ((self._x_ticks, x_range), (self._y_ticks, y_range))
        )

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Returns where a point lies in the plot's own units."""
        across = (x - self._x_low) / (self._x_high - self._x_low)
        up = (y - self._y_low) / (self._y_high - self._y_low)
        return (
            self.left + across * (self.right - self.left),
            self.bottom - up * (self.bottom - self.top),
        )

    def draw(self) -> list[str]:
        """Draws a grid line for each tick of y, a mark for each tick of x, and the x axis."""
        left, right, bottom = self.left, self.right, self.bottom
        parts = []
        for tick, text in zip(self._y_ticks, _texts(self._y_ticks), strict=True):
            y = self.place(self._x_low, tick)[1]
            parts.append(f'<path class="grid" d="M{left} {y:.1f}H{right}"/>')
            parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
        for tick, text in zip(self._x_ticks, _texts(self._x_ticks), strict=True):
            x = self.place(tick, self._y_low)[0]
            parts.append(f'<path class="axis" d="M{x:.1f} {bottom}v4"/>')
            parts.append(f'<text x="{x:.1f}" y="{bottom + 18}" text-anchor="middle">{text}</text>')
        return [*parts, f'<path class="axis" d="M{left} {bottom}H{right}"/>']

    def draw_diagonal(self) -> str:
        """Draws the line where x equals y."""
        low, high = max(self._x_low, self._y_low), min(self._x_high, self._y_high)
        (x1, y1), (x2, y2) = self.place(low, low), self.place(high, high)
        return f'<path class="guide" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'


def _draw_series(series: Series, axes: _Axes) -> list[str]:
    """Draws a line with its markers. A single point always has one."""
    points = [axes.place(x, y) for x, y in series.points]
    parts = []
    if len(points) > 1:
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
        parts.append(f'<path class="{_line(series.style)}" d="M{path}"/>')
    if series.has_markers or len(points) == 1:
        parts += [_marker(series.style, x, y, 4) for x, y in points]
    if series.marked:
        parts.append(_marker(series.style, *axes.place(*series.marked), 6.5))
    return parts


def interval_plot(
    title: str, about: str, rows: Sequence[Interval], x_label: str, *, guide: float
) -> str:
    """Draws one row per value: its label, a dot, and its interval as a whisker.

    Args:
        title: What the plot shows.
        about: What a reader sees, for readers who don't see it.
        rows: From top to bottom.
        x_label: With its unit.
        guide: Where a vertical line stands to compare with. The plot always holds it.
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
    """Draws a line and a marker in the look of a series, for a table or a sentence."""
    return (
        '<svg class="plot swatch" viewBox="0 0 26 12" width="26" height="12" aria-hidden="true">'
        f'<path class="{_line(style)}" d="M0 6H26"/>{_marker(style, 13, 6, 4.5)}</svg>'
    )


def standalone(svg: str) -> str:
    """Makes a plot a file of its own: adds its style, its namespace and a background."""
    head, _, body = svg.partition(">")
    ground = '<rect width="100%" height="100%" style="fill:var(--paper)"/>'
    space = ' xmlns="http://www.w3.org/2000/svg"'
    return f"{head}{space}><style>{escape(STYLE, quote=False)}</style>{ground}{body}"


def _frame(title: str, about: str, parts: Sequence[str], height: float) -> str:
    """Wraps the parts of a plot in an SVG element with its title and description."""
    name = "plot-" + (re.sub(r"\W+", "-", title.casefold()).strip("-") or "untitled")
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
        f'height="{height:.0f}" role="img" aria-labelledby="{name} {name}-about">'
        f'<title id="{name}">{escape(title)}</title>'
        f'<desc id="{name}-about">{escape(about)}</desc>{"".join(parts)}</svg>'
    )


def _line(style: int) -> str:
    """Returns the CSS classes of a line."""
    return f"series l{style % STYLES} d{_form(style)}"


def _form(style: int) -> int:
    """Returns the number of a style's dash and marker; for the first eight, the colour's number."""
    return (style + 3 * (style // STYLES)) % STYLES


def _marker(style: int, x: float, y: float, size: float) -> str:
    """Draws one of eight shapes, which have about the same area."""
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
    """Draws the legend below a plot, in as many lines as it needs, and returns where it ends."""
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
    """Returns a text that fits the width of a plot, cut if it is longer."""
    limit = 56
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _finite(series: Series) -> Series:
    """Returns a series without points that are not finite."""
    points = [(x, y) for x, y in series.points if math.isfinite(x) and math.isfinite(y)]
    marked = series.marked
    if marked and not all(map(math.isfinite, marked)):
        marked = None
    return Series(series.label, series.style, points, series.has_markers, marked)


def _span(values: Sequence[float]) -> tuple[float, float]:
    """Returns the lowest and the highest value; if they are equal, a range around them."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    return (low, high) if high - low > 1e-9 * max(1.0, abs(high)) else (low - 0.5, high + 0.5)


def _ticks(span: tuple[float, float]) -> list[float]:
    """Returns three to seven round numbers that reach both ends of the span or beyond."""
    low, high = span
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * number for number in range(first, last + 1)]


def _texts(ticks: Sequence[float]) -> list[str]:
    """Returns the texts of ticks, all with as many digits as their step needs."""
    step = ticks[1] - ticks[0]
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if abs(step * 10**digits - round(step * 10**digits)) > 1e-6:
        digits += 1
    return [f"{tick + 0.0:,.{digits}f}" for tick in ticks]
