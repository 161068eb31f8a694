"""The plots of a race, each drawn from a report's rows: `plots` knows how, this module knows what.

Every `_draw_...` function returns SVG text, or "" if there is nothing to show.
"""

from collections.abc import Sequence

import numpy as np

from squadron.reports import plots
from squadron.reports.report import Report
from squadron.reports.rows import Row
from squadron.wording import LEVEL, figure, figure_with_interval

LEAST_SPAN = 5.0
"""Points that an axis of EM spans at least, so that small differences look small."""
PERCENT = (0.0, 100.0)
"""The range of an axis of shares."""


def draw_plots(report: Report) -> dict[str, str]:
    """Draws the plots of a report.

    Returns:
        Name -> SVG. Plots without anything to show are left out.
    """
    racing = report.racing
    drawn = {
        "em": _draw_em(racing),
        "lead": _draw_leads(racing),
        "loss": _draw_loss(report.rows),
        "tune_em": _draw_tune_em(report.rows),
        "threshold": _draw_thresholds(racing),
        "reliability": _draw_reliability(racing),
        "risk": _draw_risk(racing),
    }
    return {name: svg for name, svg in drawn.items() if svg}


def _draw_em(rows: Sequence[Row]) -> str:
    """Draws the EM on select of each contender with its interval."""
    intervals = [
        plots.Interval(
            row.label,
            row.style,
            *row.select.estimate("exact_match"),
            figure_with_interval(row.select.estimate("exact_match")),
        )
        for row in rows
        if row.select
    ]
    if not intervals:
        return ""
    about = "; ".join(f"{each.label} {each.note}" for each in intervals)
    title = f"EM on select with {LEVEL} intervals"
    return plots.interval_plot(title, about, intervals, "EM on select, %", guide=intervals[0].value)


def _draw_leads(rows: Sequence[Row]) -> str:
    """Draws the winner's lead in EM over each of the others with its interval."""
    leads = [
        plots.Interval(
            row.label,
            row.style,
            *row.lead.estimate(),
            f"{figure(row.lead.difference)} ({row.mark})",
        )
        for row in rows
        if row.lead and row.lead.low is not None
    ]
    if not leads:
        return ""
    about = "; ".join(f"over {each.label} {each.note}" for each in leads)
    title = f"The winner's lead in EM over each of the others, with joint {LEVEL} intervals"
    return plots.interval_plot(title, about, leads, "winner's lead in EM, points", guide=0.0)


def _draw_loss(rows: Sequence[Row]) -> str:
    """Draws the training loss by epoch."""
    series = [
        plots.Series(row.label, row.style, points)
        for row in rows
        if (points := _log_points(row, "train_loss"))
    ]
    if not series:
        return ""
    return plots.line_plot(
        "Loss while training",
        _describe_ends(series),
        series,
        "epoch",
        "mean training loss",
        x_range=_epochs(series),
    )


def _draw_tune_em(rows: Sequence[Row]) -> str:
    """Draws EM on tune by epoch; the epoch that was kept is marked."""
    series = []
    for row in rows:
        points = _log_points(row, "tune_exact_match")
        best = row.training.best_epoch
        marked = next((point for point in points if round(point[0]) == best), None)
        if points:
            series.append(plots.Series(row.label, row.style, points, True, marked))
    if not series:
        return ""
    values = [y for each in series for _, y in each.points]
    middle = (min(values) + max(values)) / 2
    return plots.line_plot(
        "EM on tune while training",
        _describe_ends(series),
        series,
        "epoch",
        "EM on tune, %",
        x_range=_epochs(series),
        y_range=(min(*values, middle - LEAST_SPAN / 2), max(*values, middle + LEAST_SPAN / 2)),
    )


def _log_points(row: Row, key: str) -> list[tuple[float, float]]:
    """Returns (epoch, figure) from the training log."""
    return [(point["epoch"], point[key]) for point in row.log if key in point]


def _describe_ends(series: Sequence[plots.Series]) -> str:
    """Returns the first and the last value of each series in words."""
    ends = [(each.label, each.points[0][1], each.points[-1][1]) for each in series]
    return "; ".join(f"{label} from {first:.2f} to {last:.2f}" for label, first, last in ends)


def _epochs(series: Sequence[plots.Series]) -> tuple[float, float]:
    """Returns the range of an axis of epochs: from 0 to the end of the last epoch."""
    return 0.0, float(np.ceil(max(x for each in series for x, _ in each.points)))


def _draw_thresholds(rows: Sequence[Row]) -> str:
    """Draws EM on tune by null threshold; the applied threshold is marked."""
    series = [
        plots.Series(row.label, row.style, row.curve, marked=_applied_point(row))
        for row in rows
        if row.curve
    ]
    if not series:
        return ""
    about = "; ".join(
        f"{each.label} answers above {each.marked[0]:.2f}: EM {each.marked[1]:.2f}"
        for each in series
        if each.marked
    )
    title = "EM on tune by null threshold"
    return plots.line_plot(title, about, series, "null threshold (log-odds)", "EM on tune")


def _applied_point(row: Row) -> tuple[float, float] | None:
    """Returns (applied null threshold, EM on tune); None if every question is answered."""
    threshold = row.null_threshold
    if threshold is None:
        return None
    return float(threshold), row.result.splits["tune"].exact_match


def _draw_reliability(rows: Sequence[Row]) -> str:
    """Draws how often answers are right, by the probability that the model gives them."""
    series, about = [], []
    for row in rows:
        if row.confidence and row.select:
            groups = row.confidence.reliability
            points = [(100 * each.probability, 100 * each.right) for each in groups]
            series.append(plots.Series(row.label, row.style, points, has_markers=True))
            error = row.select.ece
            shown = "not known" if error is None else f"{100 * error:.1f} %"
            about.append(f"{row.label}: calibration error {shown}")
    if not series:
        return ""
    return plots.line_plot(
        "Share of right answers by their probability",
        "; ".join(about),
        series,
        "probability of being right, as the model says, %",
        "right, %",
        x_range=PERCENT,
        y_range=PERCENT,
        has_diagonal=True,
    )


def _draw_risk(rows: Sequence[Row]) -> str:
    """Draws the share of wrong answers if only the surest answers are given."""
    series, about = [], []
    for row in rows:
        if row.confidence and row.select:
            curve = row.confidence.risk_coverage
            points = [(100 * each.coverage, 100 * each.risk) for each in curve]
            series.append(plots.Series(row.label, row.style, points))
            about.append(f"{row.label}: area under the curve {figure(row.select.aurc, 3)}")
    if not series:
        return ""
    return plots.line_plot(
        "Wrong answers if only the surest are given",
        "; ".join(about),
        series,
        "questions answered, %",
        "wrong, %",
        x_range=PERCENT,
        y_range=PERCENT,
    )
