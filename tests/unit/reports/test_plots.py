"""Plots are drawn to scale, everybody can read them, and any number or text makes a valid one."""

import math
import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as some

from squadron.reports import plots

NUMBERS = some.floats(allow_nan=True, allow_infinity=True, width=32)
POINTS = some.lists(some.tuples(NUMBERS, NUMBERS), max_size=12)


def parse(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def line(points, **more):
    return plots.line_plot("T", "about", [plots.Series("a", 0, points)], "x", "y", **more)


def path_of(svg: str) -> list[tuple[float, float]]:
    (found,) = re.findall(r'<path class="series l0 d0" d="M([^"]*L[^"]*)"', svg)
    return [tuple(map(float, pair.split())) for pair in found.split("L")]


def test_points_stand_where_the_axes_say():
    svg = line([(0, 0), (5, 50), (10, 100)], x_range=(0, 10), y_range=(0, 100))
    first, middle, last = path_of(svg)
    assert first[0] < middle[0] < last[0]
    assert first[1] > middle[1] > last[1]  # up is less in SVG
    assert middle == pytest.approx([(a + b) / 2 for a, b in zip(first, last, strict=True)], abs=0.1)
    texts = [each.text for each in parse(svg).iter("text")]
    assert {"0", "2", "10", "20", "100"} <= set(texts)


def test_a_plot_is_told_in_words_too():
    root = parse(line([(0, 1), (1, 2)]))
    assert root.get("role") == "img"
    names = str(root.get("aria-labelledby")).split()
    told = {each.get("id"): each.text for each in root if each.tag in ("title", "desc")}
    assert [told[name] for name in names] == ["T", "about"]


def test_series_differ_by_marker_and_dash_and_not_by_colour_alone():
    series = [plots.Series(str(n), n, [(0, n), (1, n)]) for n in range(plots.STYLES)]
    root = parse(plots.line_plot("T", "", series, "x", "y"))
    shapes = {
        re.sub(r"[-\d.]+ [-\d.]+", "", str(each.get("d")), count=1)
        for each in root.iter("path")
        if str(each.get("class")).startswith("m")
    }
    assert len(shapes) == plots.STYLES
    dashes = re.findall(r"\.d\d\{stroke-dasharray:([^}]*)\}", plots.STYLE)
    assert len(set(dashes)) == plots.STYLES
    assert len({plots.swatch(n) for n in range(40)}) == 40


def contrast(one: str, other: str) -> float:
    """By WCAG 2.1."""

    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (0, 2, 4)]
        parts = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]

    low, high = sorted((light(one), light(other)))
    return (high + 0.05) / (low + 0.05)


def test_every_colour_can_be_read_on_its_paper():
    light, dark, _ = plots.STYLE.split(":root{")[1:]
    for sheet in (light, dark):
        named = dict(re.findall(r"--(\w+):#([0-9a-f]{6}|[0-9a-f]{3})\b", sheet))
        named = {k: v if len(v) == 6 else "".join(2 * c for c in v) for k, v in named.items()}
        for name in ("ink", "soft", *(f"c{n}" for n in range(plots.STYLES))):
            assert contrast(named[name], named["paper"]) >= 4.5, name


def test_intervals_are_drawn_to_scale_with_the_line_to_compare_with():
    rows = [plots.Interval("a", 0, 60, 50, 70, "60"), plots.Interval("b", 1, 55, None, None)]
    svg = plots.interval_plot("T", "", rows, "EM", guide=60)
    (whisker,) = re.findall(r'class="w0" d="M([\d.]+) \d+H([\d.]+)', svg)
    (guide,) = re.findall(r'class="guide" d="M([\d.]+)', svg)
    assert float(guide) == pytest.approx(sum(map(float, whisker)) / 2, abs=0.1)
    assert "w1" not in svg
    assert "a · 60" in svg


@given(POINTS, some.text(max_size=80))
def test_whatever_is_plotted_the_picture_is_whole(points, label):
    label = "".join(c for c in label if c.isprintable())
    marked = points[0] if points else None
    series = [plots.Series(label, 3, points, True, marked), plots.Series("b", 1, [(0, 0)])]
    for svg in (
        plots.line_plot(label, label, series, label, label, has_diagonal=True),
        plots.standalone(plots.line_plot(label, label, series, "", "")),
    ):
        parse(svg)
        numbers = re.findall(r' [xyd]\d?="([^"]*)"', svg)
        assert not any(word in text for text in numbers for word in ("nan", "inf"))


@given(some.lists(some.floats(-1e6, 1e6), min_size=1, max_size=5))
def test_ticks_are_few_and_hold_the_values(values):
    span = plots._span(values)
    ticks = plots._ticks(span)
    assert 2 <= len(ticks) <= 9
    slack = 1e-6 * (span[1] - span[0])
    assert ticks[0] <= span[0] + slack
    assert ticks[-1] >= span[1] - slack
    texts = plots._texts(ticks)
    assert len(set(texts)) == len(texts)


def test_a_file_of_its_own_brings_its_colours():
    svg = plots.standalone(line([(0, 0), (1, 1)]))
    root = parse(svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    style = root.find("{http://www.w3.org/2000/svg}style")
    assert style is not None
    assert "--c0:#" in str(style.text)
    assert math.isclose(float(root.get("width", 0)), plots.WIDTH)


def test_a_title_can_hold_anything():
    svg = plots.line_plot("<b>&", '"', [plots.Series("</svg>", 0, [(0, 0)])], "<i>", "&amp;")
    assert [each.text for each in parse(svg).iter("title")] == ["<b>&"]
