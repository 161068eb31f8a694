"""Results of contenders and races for tests that are about something else than their figures."""

from dataclasses import replace
from typing import Any

from squadron.config import SPLITS
from squadron.data.validation_file import (
    Findings,
    LeakageSummary,
    SplitLeakageSummary,
    SplitSummary,
    TitleGroups,
    TrainOnlySummary,
    Validation,
)
from squadron.scores.contender_result import ContenderResult
from squadron.scores.figures import SplitFigures
from squadron.scores.leads import Lead
from squadron.scores.open_domain import (
    MethodFigures,
    OpenDomain,
    OpenSplit,
    Recall,
    SearchedIndex,
    SearchedSplit,
)
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


def make_open_domain(exact_match: float = 40.0, *splits: str) -> OpenDomain:
    """Returns figures of four searches, whose EM grows by one from search to search.

    Args:
        exact_match: Of the first search.
        splits: The splits; select and test if none is named.
    """
    methods = ("dense", "bm25", "hybrid", "original")
    searched = SearchedSplit(
        *(1200, 900, 900),
        {name: Recall(50.0 + place, 75.25, 100.0) for place, name in enumerate(methods)},
    )
    figures = {
        name: MethodFigures(exact_match + place, 55.0, 66.5, 30.5, 50.25, 45.0, 65.0)
        for place, name in enumerate(methods)
    }
    split = OpenSplit(searched, MethodFigures(61.5, 70.0, None, 55.0, 68.0), figures)
    index = SearchedIndex("0a1b2c", 48, 2067, "all-MiniLM-L6-v2", "runs/index")
    return OpenDomain(index, dict.fromkeys(splits or ("select", "test"), split))


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


def change_contender(race: RaceResult, place: int, **changes: Any) -> RaceResult:
    """Returns the race with changes to the contender at this place."""
    contenders = list(race.contenders)
    contenders[place] = replace(contenders[place], **changes)
    return replace(race, contenders=tuple(contenders))


def change_figures(race: RaceResult, place: int, split: str, **changes: Any) -> RaceResult:
    """Returns the race with changes to the figures of the contender at this place."""
    figures = getattr(race.contenders[place], split)
    return change_contender(race, place, **{split: replace(figures, **changes)})


def change_model(race: RaceResult, **changes: Any) -> RaceResult:
    """Returns the race with changes to the version of its winner, which must have one."""
    assert race.model
    return replace(race, model=replace(race.model, **changes))


def make_split(name: str, **changes: Any) -> SplitSummary:
    """Returns a split of one question."""
    return replace(SplitSummary(1, ("t",), 0, {}, f"{name}-digest", ("x.json",)), **changes)


def make_validation(
    unit: str = "paragraph",
    splits: dict[str, SplitSummary] | None = None,
    **leakage: SplitLeakageSummary,
) -> Validation:
    """Returns the validation of examples that ingest did not make.

    Args:
        unit: What is counted as shared.
        splits: All splits; by default four of one question each.
        leakage: Judged split -> what it shares with train; by default nothing.
    """
    no_titles = TitleGroups(0, ())
    return Validation(
        made_from="e",
        findings=Findings(4, 4, 0, {}, {}, {}, (), {}),
        figures={"seconds_ingest": 1.0},
        split_by="title",
        splits=splits or {name: make_split(name) for name in SPLITS},
        leakage=LeakageSummary(unit, 0.01, leakage, {}, no_titles, no_titles),
        train_only=TrainOnlySummary(0, 0),
    )
