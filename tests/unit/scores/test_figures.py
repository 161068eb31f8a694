"""Figures of a split: their names, their intervals, and what MLflow gets of them."""

from dataclasses import fields

import numpy as np
import pytest

from squadron.config import from_mapping
from squadron.scores.breakdown import Part
from squadron.scores.figures import SplitFigures, read_official
from squadron.scores.leads import Lead
from squadron.scores.metrics import summarize
from squadron.wording import Estimate
from tests.results import FIGURES, make_figures, make_result

NAMES = {each.name for each in fields(SplitFigures)}


def test_figures_that_are_not_known_are_left_out_of_the_flat_ones():
    flat = make_figures(no_ans_f1=0.0, paragraphs=12, ece=None).flat()
    known = ("exact_match", "f1", "total", "answered", "all_null_exact_match", "answerable_f1")
    more = ("span_accuracy", "precision", "recall")
    assert flat == {
        **{name: getattr(FIGURES, name) for name in (*known, *more)},
        "no_ans_f1": 0.0,
        "paragraphs": 12,
    }


def test_the_figures_of_types_are_flat_ones_too():
    types = {"accuracy": 50.0, "causal_f1": 0.0}
    flat = make_figures(types=types, types_rules={"accuracy": 40.0}).flat()
    assert {name: value for name, value in flat.items() if name.startswith("types")} == {
        "types_accuracy": 50.0,
        "types_causal_f1": 0.0,
        "types_rules_accuracy": 40.0,
    }


def test_the_figures_of_all_splits_get_the_name_of_their_split():
    result = make_result("a", splits={"select": make_figures(f1=1.0), "test": make_figures(f1=2.0)})
    found = result.run_figures()
    assert (found["select_f1"], found["test_f1"], found["disqualified"]) == (1.0, 2.0, 0.0)
    assert len(found) == 1 + 2 * len(FIGURES.flat())
    assert make_result("a", disqualified="nan").run_figures() == {"disqualified": 1.0}


def test_an_estimate_is_a_figure_with_its_interval():
    figures = make_figures(
        exact_match=50.0,
        exact_match_low=45.0,
        exact_match_high=55.0,
        exact_match_title_low=40.0,
        exact_match_title_high=60.0,
        f1=60.0,
        f1_low=0.0,
        f1_high=70.0,
    )
    assert figures.estimate("exact_match") == Estimate(50.0, 45.0, 55.0)
    assert figures.estimate("exact_match", "title") == Estimate(50.0, 40.0, 60.0)
    assert figures.estimate("f1") == Estimate(60.0, 0.0, 70.0)
    assert figures.estimate("f1", "title") == Estimate(60.0, None, None)


def test_parts_and_leads_give_estimates_too():
    part = Part("all", "all", 30, 50.0, 60.0, 45.0, 55.0)
    assert part.estimate("exact_match") == Estimate(50.0, 45.0, 55.0)
    assert part.estimate("f1") == part.estimate("f1", "title") == Estimate(60.0, None, None)
    lead = Lead("b", 3.0, -1.0, 5.0, 0.2, False, -2.0, 6.0)
    assert lead.estimate() == Estimate(3.0, -1.0, 5.0)
    assert lead.estimate("title") == Estimate(3.0, -2.0, 6.0)


@pytest.mark.parametrize(
    ("has_answer", "absent"),
    [([True, True, False], []), ([True] * 3, ["no_ans"]), ([False] * 3, ["has_ans"])],
)
def test_every_official_figure_is_read_under_a_name_of_its_own(has_answer, absent):
    summary = summarize(np.array([1, 0, 1]), np.array([1.0, 0.25, 1.0]), np.array(has_answer))
    found = read_official(summary)
    assert list(found.values()) == list(summary.values())
    assert found.keys() <= NAMES
    kinds = [kind for kind in ("has_ans", "no_ans") if kind not in absent]
    names = [f"{kind}_{name}" for kind in kinds for name in ("exact_match", "f1", "total")]
    assert list(found) == ["exact_match", "f1", "total", *names]
    figures = from_mapping(SplitFigures, {**vars(FIGURES), **found})
    assert (figures.exact_match, figures.f1, figures.total) == (200 / 3, 75.0, 3)
    assert [getattr(figures, f"{kind}_f1") for kind in absent] == [None] * len(absent)
