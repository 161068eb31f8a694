"""Each gate passes and fails at the edge that its docstring names, and says why."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from squadron.config import Gates
from squadron.errors import InputError
from squadron.models.training_summary import TrainingSummary
from squadron.registry import gates
from squadron.registry.gates import JudgedWinner, WeightCheck, explain_failures, judge_winner
from squadron.scores.gate_verdict import GateVerdict
from tests.results import make_figures, make_lead, make_result

SELECT = make_figures(exact_match=50.0, all_null_exact_match=20.0, has_ans_exact_match=40.0)
WINNER = make_result(
    "crf",
    splits={"select": SELECT},
    digests={"select": "d1"},
    figures={"windows_per_second_predict": 200.0},
)
CHAMPION = make_result("champion", variant="champion", digests={"select": "d1"})
JUDGED = JudgedWinner(
    winner=WINNER,
    untrained={},
    champions=(),
    leads=(),
    model_bytes=2_500_000,
    backbone_licence="Apache-2.0",
    data_licence="CC-BY-SA-4.0",
    weights=WeightCheck(0),
    trial="",
)
ALL = Gates(
    beats_untrained=True,
    min_has_ans_exact_match=30,
    champion_margin=0,
    max_ece=0.1,
    max_ms_per_window=10,
    max_megabytes=3,
    licences=("Apache-2.0", "CC-BY-SA-4.0"),
    finite_weights=True,
    loads_alone=True,
)


def lead_from(low, difference=2.0, label="champion"):
    return make_lead(label, difference, low=low)


@pytest.mark.parametrize(
    ("exact_match", "passed", "why"),
    [
        (20.01, True, "its EM on select, 20.01, beats answering nothing to every question, 20.00"),
        (
            20.0,
            False,
            "its EM on select, 20.00, does not beat answering nothing to every question, 20.00",
        ),
    ],
)
def test_a_model_must_be_above_answering_nothing(exact_match, passed, why):
    found = gates.answers_something(replace(SELECT, exact_match=exact_match))
    assert found == GateVerdict("answers_something", passed, why, exact_match, 20.0)


@pytest.mark.parametrize(
    ("untrained", "passed", "threshold", "why"),
    [
        ({"raw": 49.99}, True, 49.99, "50.00, beats raw, which was not trained, 49.99"),
        ({"raw": 50.0}, False, 50.0, "50.00, does not beat raw, which was not trained, 50.00"),
        ({"raw": 10.0, "other": 60.0}, False, 60.0, "does not beat other,"),
        ({"crf": 50.0, "raw": 10.0}, False, 50.0, "it was not trained in this race itself"),
    ],
)
def test_a_model_must_be_above_every_untrained_contender(untrained, passed, threshold, why):
    found = gates.beats_untrained("crf", SELECT, untrained)
    assert (found.passed, found.figure, found.threshold) == (passed, 50.0, threshold)
    assert why in found.why
    assert found.measured


def test_without_an_untrained_contender_the_gate_says_that_nothing_was_measured():
    found = gates.beats_untrained("crf", SELECT, {})
    assert (found.passed, found.measured, found.threshold) == (True, False, None)
    assert found.tag == "passed: not measured: no contender `pretrained` was judged"


@pytest.mark.parametrize(("least", "passed"), [(40.0, True), (40.01, False), (0.0, True)])
def test_the_em_on_answerable_questions_may_equal_its_threshold(least, passed):
    found = gates.has_ans_exact_match(SELECT, least)
    assert (found.passed, found.figure, found.threshold) == (passed, 40.0, least)
    assert found.why.startswith("its EM on the answerable questions of select is 40.00; ")


def test_without_answerable_questions_the_asked_for_em_is_missing_and_the_gate_fails():
    found = gates.has_ans_exact_match(replace(SELECT, has_ans_exact_match=None), 30)
    assert (found.passed, found.figure, found.measured) == (False, None, True)
    assert "no answerable questions" in found.why


@pytest.mark.parametrize(
    ("low", "margin", "passed"),
    [
        (0.3, 0, True),
        (1e-9, 0, True),  # significance puts the end of an interval that leaves out 0 here
        (0.0, 0, False),
        (-0.3, 0, False),
        (-0.3, 0.5, True),
        (-0.5, 0.5, False),
    ],
)
def test_the_interval_of_the_lead_must_begin_above_minus_the_margin(low, margin, passed):
    found = gates.not_worse_than_champion(WINNER, [CHAMPION], [lead_from(low)], margin)
    assert (found.passed, found.figure, found.threshold) == (passed, low, -margin)
    assert "its lead over champion is 2.00 points of EM" in found.why


def test_an_interval_that_barely_leaves_out_zero_does_not_look_like_zero():
    found = gates.not_worse_than_champion(WINNER, [CHAMPION], [lead_from(1e-9)], 0)
    assert found.why.endswith("interval from above 0; it must begin above 0")


def test_only_leads_over_champions_count_and_the_smallest_one_decides():
    second = replace(CHAMPION, label="older")
    leads = [lead_from(-9.0, label="span"), lead_from(1.0), lead_from(0.5, label="older")]
    found = gates.not_worse_than_champion(WINNER, [CHAMPION, second], leads, 0)
    assert (found.passed, found.figure) == (True, 0.5)
    assert "lead over older" in found.why


@pytest.mark.parametrize(
    ("own", "other", "low", "passed", "threshold"),
    [
        (99.0, 100.0, -0.5, True, -1.0),
        (100.0, 100.0, -0.5, False, 0.0),
        (None, 100.0, -0.5, False, 0.0),
        (99.0, None, -0.5, False, 0.0),
        (100.0, 100.0, 0.1, True, 0.0),
        (99.0, 100.0, -1.0, False, -1.0),
    ],
)
def test_the_margin_can_be_kept_for_smaller_models(own, other, low, passed, threshold):
    winner = replace(WINNER, training=TrainingSummary(parameters=own))
    champion = replace(CHAMPION, training=TrainingSummary(parameters=other))
    found = gates.not_worse_than_champion(winner, [champion], [lead_from(low)], 1.0, True)
    assert (found.passed, found.figure, found.threshold) == (passed, low, threshold)
    smaller = own is not None and other is not None and own < other
    assert ("because it does not have fewer parameters" in found.why) is not smaller
    # Without the condition the margin counts for every model.
    free = gates.not_worse_than_champion(winner, [champion], [lead_from(low)], 1.0)
    assert free.threshold == -1.0


def test_of_several_champions_the_one_that_fails_decides():
    winner = replace(WINNER, training=TrainingSummary(parameters=99.0))
    large = replace(CHAMPION, training=TrainingSummary(parameters=100.0))
    small = replace(CHAMPION, label="small", training=TrainingSummary(parameters=9.0))
    leads = [lead_from(-0.5), lead_from(-0.1, label="small")]
    found = gates.not_worse_than_champion(winner, [large, small], leads, 1.0, True)
    assert not found.passed
    assert "lead over small" in found.why


def test_too_few_paragraphs_show_nothing_so_the_gate_fails_with_any_margin():
    found = gates.not_worse_than_champion(WINNER, [CHAMPION], [lead_from(None)], 50)
    assert (found.passed, found.figure, found.measured) == (False, None, True)
    assert "too few paragraphs" in found.why


def test_a_champion_that_wins_passes_and_no_champion_is_not_measured():
    found = gates.not_worse_than_champion(CHAMPION, [CHAMPION], [], 0)
    assert (found.passed, found.measured, found.why) == (True, True, "it is the champion itself")
    found = gates.not_worse_than_champion(WINNER, [], [lead_from(-5.0, label="span")], 0)
    assert (found.passed, found.measured) == (True, False)
    assert found.why == "not measured: no champion was judged"


def test_a_champion_judged_on_other_questions_is_an_error():
    other = replace(CHAMPION, digests={"select": "d2"})
    with pytest.raises(InputError, match="champion was judged on the select split d2, and crf on"):
        gates.not_worse_than_champion(WINNER, [other], [lead_from(1.0)], 0)


@pytest.mark.parametrize(("ece", "passed"), [(0.1, True), (0.1001, False), (None, False)])
def test_the_calibration_error_may_equal_its_threshold_and_must_be_known(ece, passed):
    found = gates.calibration(replace(SELECT, ece=ece), 0.1)
    assert (found.passed, found.figure, found.threshold) == (passed, ece, 0.1)


@pytest.mark.parametrize(
    ("speed", "figure", "passed"),
    [(200.0, 5.0, True), (199.0, 1000 / 199, False), (None, None, False), (0.0, None, False)],
)
def test_the_time_per_window_may_equal_its_threshold_and_must_be_known(speed, figure, passed):
    found = gates.latency(speed, 5.0)
    assert (found.passed, found.figure, found.threshold) == (passed, figure, 5.0)


@pytest.mark.parametrize(("count", "passed"), [(2_500_000, True), (2_500_001, False)])
def test_the_size_may_equal_its_threshold(count, passed):
    found = gates.size(count, 2.5)
    assert (found.passed, found.figure) == (passed, count / 1e6)
    assert found.why == "its folder has 2.50 MB; 2.5 is the most"


@pytest.mark.parametrize(
    ("backbone", "data", "why"),
    [
        ("Apache-2.0", "mit", ""),
        ("apache-2.0 ", "MIT", ""),
        ("CC-BY-NC-4.0", "MIT", "the licence of its backbone (CC-BY-NC-4.0) is not accepted;"),
        ("MIT", "unknown", "the licence of its data (unknown) is not accepted;"),
        ("x", "y", "its backbone (x) and data (y) is not accepted; Apache-2.0 or MIT would be"),
        ("Apache-2.0-or-later", "MIT", "backbone (Apache-2.0-or-later)"),
    ],
)
def test_both_licences_must_be_accepted_by_their_whole_names(backbone, data, why):
    found = gates.licence(backbone, data, ("Apache-2.0", "MIT"))
    assert found.passed == (not why)
    assert why in found.why
    assert (found.figure, found.threshold) == (None, None)


def test_weights_must_be_finite_whole_and_read():
    assert gates.finite_weights(WeightCheck(0)).passed
    found = gates.finite_weights(WeightCheck(1200))
    assert (found.passed, found.figure, found.threshold) == (False, 1200.0, 0.0)
    assert found.why == "1,200 numbers of its weights are infinite or NaN"
    found = gates.finite_weights(WeightCheck(0, "the file w is altered"))
    assert (found.passed, found.why) == (False, "the file w is altered")
    assert not gates.finite_weights(None).passed


def test_a_model_must_answer_alone():
    assert gates.loads_alone("").passed
    assert gates.loads_alone("it crashed") == GateVerdict(
        "loads_alone", False, "with its own requirements alone, it crashed"
    )
    assert not gates.loads_alone(None).passed


def test_only_the_gates_that_the_experiment_states_judge():
    names = [found.name for found in judge_winner(JUDGED, Gates())]
    assert names == ["answers_something"]
    names = [found.name for found in judge_winner(JUDGED, ALL)]
    assert names == [
        "answers_something",
        "beats_untrained",
        "has_ans_exact_match",
        "not_worse_than_champion",
        "calibration",
        "latency",
        "size",
        "licence",
        "finite_weights",
        "loads_alone",
    ]


def test_thresholds_of_zero_are_thresholds():
    found = judge_winner(JUDGED, Gates(min_has_ans_exact_match=0, max_ece=0, champion_margin=0))
    assert len(found) == 4


def test_all_reasons_of_a_refusal_are_said():
    weak = replace(JUDGED, winner=replace(WINNER, splits={"select": replace(SELECT, ece=0.5)}))
    found = judge_winner(weak, replace(ALL, max_megabytes=1))
    assert explain_failures(found) == (
        "its expected calibration error on select is 0.5000; 0.1 is the most; "
        "its folder has 2.50 MB; 1 is the most"
    )
    assert explain_failures(found[:4]) == ""


def test_a_tag_says_the_verdict_and_is_never_too_long():
    assert GateVerdict("size", True, "it is small").tag == "passed: it is small"
    assert GateVerdict("size", False, "it is large").tag == "failed: it is large"
    assert len(GateVerdict("size", True, "x" * 492).tag) == 500
    long = GateVerdict("size", True, "x" * 493).tag
    assert (len(long), long[-2:]) == (500, "x…")


PERCENTAGES = st.floats(0, 100)
ABOVE = {"answers_something", "beats_untrained", "not_worse_than_champion"}
AT_LEAST = {"has_ans_exact_match"}


@given(
    figures=st.tuples(PERCENTAGES, PERCENTAGES, PERCENTAGES, PERCENTAGES),
    ece=st.floats(0, 1),
    low=st.floats(-100, 100),
    thresholds=st.tuples(PERCENTAGES, PERCENTAGES, st.floats(0, 1)),
    speed=st.floats(1e-3, 1e6),
)
def test_a_verdict_agrees_with_its_figure_and_threshold(figures, ece, low, thresholds, speed):
    exact, null, has_ans, untrained = figures
    select = replace(
        SELECT, exact_match=exact, all_null_exact_match=null, has_ans_exact_match=has_ans, ece=ece
    )
    judged = replace(
        JUDGED,
        winner=replace(
            WINNER,
            splits={"select": select},
            figures={"windows_per_second_predict": speed},
        ),
        untrained={"raw": untrained},
        champions=(CHAMPION,),
        leads=(lead_from(low),),
    )
    least, margin, most = thresholds
    settings = replace(ALL, min_has_ans_exact_match=least, champion_margin=margin, max_ece=most)
    for found in judge_winner(judged, settings):
        if found.name in ("licence", "loads_alone"):
            continue
        assert found.figure is not None
        assert found.threshold is not None
        if found.name in ABOVE:
            assert found.passed == (found.figure > found.threshold)
        elif found.name in AT_LEAST:
            assert found.passed == (found.figure >= found.threshold)
        else:
            assert found.passed == (found.figure <= found.threshold)
