"""Probabilities of answers, the calibration error and the risk-coverage curve, by brute force."""

import json
from dataclasses import asdict
from itertools import pairwise, permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from squadron.answers.calibration import (
    Calibration,
    expected_calibration_error,
    fit,
    reliability,
    risk_coverage,
    sigmoid,
)
from squadron.config import from_mapping

SCORES = st.lists(
    st.floats(-1e6, 1e6, width=32) | st.sampled_from([0.0, 1.0, 1.0000001, -np.inf, np.inf]),
    min_size=1,
    max_size=80,
)
# Few different values, so that there are ties.
CONFIDENCES = st.lists(
    st.tuples(st.sampled_from([0.0, 0.2, 0.5, 0.50001, 1.0]), st.booleans()), max_size=40
)


def simulate(count=2000, slope=0.3, intercept=-1.0, seed=0):
    random = np.random.default_rng(seed)
    scores = random.normal(2.0, 5.0, count)
    return scores, random.random(count) < sigmoid(slope * scores + intercept)


@settings(deadline=None)
@given(SCORES, st.randoms(use_true_random=False), SCORES)
def test_probabilities_lie_between_0_and_1_and_never_reverse_the_order(scores, random, asked):
    right = [random.random() < 0.5 for _ in scores]
    mapping = from_mapping(Calibration, json.loads(json.dumps(asdict(fit(scores, right)))))
    found = mapping.apply(np.sort(np.float64(asked)))
    assert found.min() >= 0.0
    assert found.max() <= 1.0
    assert (np.diff(found) >= 0).all()
    assert found.tolist() == [float(mapping.apply(score)) for score in np.sort(np.float64(asked))]


def test_what_is_learned_is_what_comes_true_on_other_questions():
    mapping = fit(*simulate())
    scores, right = simulate(seed=1)
    assert (mapping.method, mapping.questions, mapping.note) == ("platt", 2000, "")
    before = expected_calibration_error(sigmoid(scores), right)
    after = expected_calibration_error(mapping.apply(scores), right)
    assert after < 0.05 < 0.2 < before
    assert (mapping.slope, mapping.intercept) == pytest.approx((0.3, -1.0), abs=0.1)


def test_platts_sigmoid_is_the_best_one_on_his_smoothed_labels():
    scores, right = simulate(60)
    mapping = fit(scores, right)
    hits = right.sum()
    wanted = np.where(right, (hits + 1) / (hits + 2), 1 / (60 - hits + 2))

    def loss(slope, intercept):
        given = sigmoid(slope * scores + intercept)
        return -(wanted * np.log(given) + (1 - wanted) * np.log(1 - given)).sum()

    best = loss(mapping.slope, mapping.intercept)
    for slope in (-1e-3, 0, 1e-3):
        for intercept in (-1e-2, 0, 1e-2):
            assert loss(mapping.slope + slope, mapping.intercept + intercept) >= best - 1e-9


def test_scores_that_part_right_from_wrong_leave_some_doubt():
    scores = np.arange(40.0)
    found = fit(scores, scores >= 20).apply(scores)
    assert 0.0 < found[0] < 0.1
    assert 0.9 < found[-1] < 1.0


@pytest.mark.parametrize(
    ("scores", "right", "probability", "note"),
    [
        ([], [], 0.5, "only 0 scored questions, 20 are needed"),
        ([1.0] * 18 + [-np.inf, np.inf], [True] * 20, 0.95, "only 18 scored"),
        (range(48), [True] * 48, 0.98, "all of 48 answers are right"),
        (range(48), [False] * 48, 0.02, "none of 48 answers are right"),
        ([3.0] * 48, [True, False] * 24, 0.5, "all scores are equal"),
        (range(48), [True] * 24 + [False] * 24, 0.5, "do not score higher"),
    ],
)
def test_where_there_is_nothing_to_learn_all_answers_are_as_likely_and_a_note_says_why(
    scores, right, probability, note
):
    mapping = fit(list(scores), right)
    assert mapping.method == "constant"
    assert note in mapping.note
    found = mapping.apply([-1e9, 0.0, 1e9])
    assert found == pytest.approx([probability] * 3)
    assert mapping.apply(-np.inf) == 0.0


@given(CONFIDENCES, st.randoms(use_true_random=False))
def test_rows_in_another_order_have_the_same_figures(rows, random):
    other = list(rows)
    random.shuffle(other)
    figures = []
    for some in (rows, other):
        confidence, right = np.array([r[0] for r in some]), np.array([r[1] for r in some])
        curve = risk_coverage(confidence, right)
        error = expected_calibration_error(confidence, right)
        figures.append((error, curve.area, curve.risk.tolist()))
        assert 0 <= error <= 1
        assert 0 <= curve.area <= 1
    assert figures[0] == figures[1]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=6))
def test_the_risk_is_its_mean_over_all_orders_of_equals(rows):
    risks, orders = np.zeros(len(rows)), 0
    for order in permutations(rows):
        if any(a[0] < b[0] for a, b in pairwise(order)):
            continue
        wrong = np.cumsum([not right for _, right in order])
        risks += wrong / np.arange(1, len(rows) + 1)
        orders += 1
    curve = risk_coverage([c for c, _ in rows], [r for _, r in rows])
    assert curve.risk == pytest.approx(risks / orders)
    assert curve.area == pytest.approx((risks / orders).mean())
    assert curve.coverage == pytest.approx(np.arange(1, len(rows) + 1) / len(rows))


@given(
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60), st.integers(1, 20)
)
def test_the_calibration_error_is_that_of_a_plain_loop(rows, bins):
    places = sorted(p for p, _ in rows)
    groups = {}
    for p, right in rows:
        groups.setdefault(places.index(p) * bins // len(rows), []).append((p, right))
    total = sum(abs(sum(p for p, _ in g) - sum(r for _, r in g)) for g in groups.values())
    found = expected_calibration_error([p for p, _ in rows], [r for _, r in rows], bins)
    assert found == pytest.approx(total / len(rows), abs=1e-12)


def test_groups_have_equally_many_answers_and_equal_probabilities_share_one():
    probability = np.linspace(0.9, 1.0, 30)
    assert reliability(probability, probability > 0.95).size.tolist() == [2] * 15
    same = reliability([0.7] * 10, [True] * 6 + [False] * 4)
    assert (same.size.tolist(), same.right.tolist()) == ([10], [0.6])
    assert expected_calibration_error([0.7] * 10, [True] * 6 + [False] * 4) == pytest.approx(0.1)
    assert expected_calibration_error([], []) == risk_coverage([], []).area == 0.0
