"""Results of contenders and races for tests that are about something else than their figures."""

from dataclasses import replace
from typing import Any

from squadron.scores.contender_result import ContenderResult
from squadron.scores.figures import SplitFigures
from squadron.scores.leads import Lead
from squadron.scores.race_result import RaceResult, Standing, WinnerVersion

FIGURES = SplitFigures(
    exact_match=50.0,
    f1=60.0,
    total=100,
    answered=80.0,
    all_null_exact_match=20.0,
    answerable_f1=55.0,
    span_accuracy=50.0,
    precision=60.0,
    recall=60.0,
)


def make_figures(**changes: Any) -> SplitFigures:
    """Returns figures of a split that has neither intervals nor details unless they are given."""
    return replace(FIGURES, **changes)


def make_result(label: str, **changes: Any) -> ContenderResult:
    """Returns the result of a span contender without splits unless they are given."""
    return replace(ContenderResult("made", label, "span"), **changes)


def make_lead(label: str, difference: float = 3.0, **changes: Any) -> Lead:
    """Returns a significant lead of the winner, without an interval by title."""
    lead = Lead(label, difference, difference - 2, difference + 2, 0.005, True, None, None)
    return replace(lead, **changes)


def make_version(**changes: Any) -> WinnerVersion:
    """Returns version 3 of a model, which passed its gate."""
    return replace(WinnerVersion("squadron-example", "3", "candidate", "passed"), **changes)


def make_race(*contenders: Standing, **changes: Any) -> RaceResult:
    """Returns the result of a race that registered nothing unless a model is given."""
    return replace(RaceResult("made", "example-01", contenders), **changes)
