import string

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from squadron.scores.metrics import (
    exact_match,
    f1,
    f1_v11,
    normalize_answer,
    score_answers,
    score_spans,
    score_tokens,
    summarize,
)
from squadron.scores.oracle import oracle_scores
from tests.effort import draws
from tests.reference_squad import (
    plain_averages,
    plain_exact,
    plain_f1,
    plain_normalize,
    plain_scores,
    plain_tokens,
)

pytestmark = pytest.mark.filterwarnings("error")

# What the two implementations could treat differently: articles and what makes one (a word edge),
# every kind of blank (\x1c to \x1f, \x85, \xa0, \u2009, \u3000 are blanks for str.split, \x00 and
# the zero-width ones aren't), accents apart from their letter, lower cases of another length or
# that depend on the neighbours, ASCII and other punctuation, lone surrogates.
PIECES = [
    *("a", "an", "the", "A", "An", "THE", "x", "y", "X", "anthem", "3", "ª", "á"),
    *(" ", "  ", "\t", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x1f", "\x85"),
    *("\u00a0", "\u2009", "\u2028", "\u3000", "\u200b", "\u200d", "\ufeff", "\u2060"),
    *("\x00", "\x07", "\x7f", "\u0301", "\u0307", "\u0345", "\u20e3"),
    *("İ", "ẞ", "ß", "Σ", "ς", "ΟΣ", "ǅ", "ﬁ", "K", "\ud800", "𝔞", "中"),
    *("_", "-", "'", ".", ",", "$", "’", "–", "«", "¿", "。"),
]
ANSWERS = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=8).map("".join),
    st.lists(st.sampled_from(["a", "the", "x", "y", "z", "X."]), max_size=6).map(" ".join),
    st.text(st.characters(), max_size=12),
    st.text(string.printable, max_size=12),
)
CASES = st.lists(
    st.tuples(st.lists(ANSWERS, min_size=1, max_size=4), st.none() | ANSWERS), max_size=8
)
THOROUGH = settings(max_examples=draws(300), deadline=None)


@THOROUGH
@given(ANSWERS)
def test_normalisation_equals_the_reference_for_any_text(text):
    assert normalize_answer(text) == plain_normalize(text)


def test_normalisation_equals_the_reference_for_every_character_beside_an_article():
    for code in range(0x30000):  # beyond lie tags, variation selectors and private use
        text = f"a{chr(code)}The b"
        assert normalize_answer(text) == plain_normalize(text), hex(code)


@pytest.mark.parametrize(
    ("text", "normalized"),
    [
        ("", ""),
        ("The Norman  Conquest!", "norman conquest"),
        ("the", ""),
        ("An a THE", ""),
        ("...", ""),
        ("anthem of a band", "anthem of band"),
        ("the-a", "thea"),
        ("a's", "as"),
        ("a_b", "ab"),
        ("$1,000.50", "100050"),
        ("the\ta\nx\r\nan", "x"),
        ("1 a\u00a0b", "1 b"),
        ("\u2009x\u3000y\x85", "x y"),
        ("x\x1cy\x1fz", "x y z"),
        ("x\u200by", "x\u200by"),
        ("x \u200b", "x \u200b"),
        ("a\u200bb", "\u200bb"),
        ("x\x00a", "x\x00"),
        ("a\u0301", "\u0301"),
        ("\u00e1", "\u00e1"),
        ("İ", "i\u0307"),
        ("ẞ", "ß"),
        ("ΟΔΟΣ", "οδος"),
        ("ΟΔΟΣ.", "οδος"),
        ("Σ.Σ", "σς"),
        ("ΑΣ-Α", "αςα"),  # lowered before the hyphen goes: the sigma ends a word
        ("“The” end – x", "“ ” end – x"),
    ],
)
def test_normalisation_lowers_drops_punctuation_and_articles_and_joins_by_spaces(text, normalized):
    assert normalize_answer(text) == normalized


@THOROUGH
@given(ANSWERS, ANSWERS)
@example("the", "a")
@example("", "")
def test_scores_of_one_pair_equal_the_reference_and_are_symmetric(prediction, gold):
    assert exact_match(prediction, gold) == plain_exact(gold, prediction)
    assert f1(prediction, gold) == plain_f1(gold, prediction, "v2") == f1(gold, prediction)
    assert f1_v11(prediction, gold) == plain_f1(gold, prediction, "v1.1")
    assert exact_match(prediction, gold) <= f1(prediction, gold) <= 1


@pytest.mark.parametrize(
    ("prediction", "gold", "exact", "v2", "v11"),
    [
        ("", "", 1, 1.0, 0.0),
        ("the", "a!", 1, 1.0, 0.0),
        ("", "x", 0, 0.0, 0.0),
        ("x", "", 0, 0.0, 0.0),
        ("x", "y", 0, 0.0, 0.0),
        ("The X.", "x", 1, 1.0, 1.0),
        # precision 1/2, recall 1/1: 2 * 0.5 * 1 / 1.5
        ("x y", "x", 0, 1.0 / 1.5, 1.0 / 1.5),
        # two x's are shared of x x y and x x x: precision 2/3, recall 2/3
        ("x x y", "x x x", 0, 2 / 3, 2 / 3),
        # one x is shared of x x x and x y: precision 1/3, recall 1/2
        ("x x x", "x y", 0, 0.4, 0.4),
        # the same tokens in another order: no exact match, full F1
        ("x y", "y x", 0, 1.0, 1.0),
    ],
)
def test_scores_of_one_pair_are_the_ones_computed_by_hand(prediction, gold, exact, v2, v11):
    assert exact_match(prediction, gold) == exact
    assert f1(prediction, gold) == pytest.approx(v2, abs=1e-15)
    assert f1_v11(prediction, gold) == pytest.approx(v11, abs=1e-15)


@pytest.mark.parametrize("rule", ["v2", "v1.1"])
@THOROUGH
@given(cases=CASES)
@example(cases=[(["the"], "a"), (["the", "x"], ""), (["the", "x"], "an x")])
def test_scores_of_a_set_equal_the_reference_to_the_last_digit(rule, cases):
    golds = [answers for answers, _ in cases]
    predictions = [prediction for _, prediction in cases]
    exact, f1_scores = score_answers(golds, predictions, rule)
    expected = [plain_scores(*case, rule) for case in cases]
    assert exact.tolist() == [pair[0] for pair in expected]
    assert f1_scores.tolist() == [pair[1] for pair in expected]
    assert exact.dtype == f1_scores.dtype == np.float64
    assert exact.shape == f1_scores.shape == (len(cases),)


@THOROUGH
@given(st.lists(st.tuples(st.lists(ANSWERS, max_size=4), st.none() | ANSWERS), max_size=8))
def test_exact_match_never_exceeds_f1_under_the_v2_rule_also_without_gold_answers(cases):
    golds = [answers for answers, _ in cases]
    predictions = [prediction for _, prediction in cases]
    exact, f1_scores = score_answers(golds, predictions)
    expected = [plain_scores(*case, "v2") for case in cases]
    assert list(zip(exact.tolist(), f1_scores.tolist(), strict=True)) == expected
    assert (exact <= f1_scores).all()


def test_the_best_of_several_gold_answers_counts_for_each_score():
    exact, f1_scores = score_answers([["x y z", "x y", "q"]], ["x w"])
    assert exact.tolist() == [0.0]
    assert f1_scores.tolist() == [0.5]


def test_gold_answers_that_normalise_to_nothing_are_dropped_under_v2_and_kept_under_v11():
    golds = [["the", "x"], ["the", "x"], ["the"], ["the"]]
    predictions = ["", "x", "", "x"]
    exact, f1_scores = score_answers(golds, predictions, "v2")
    assert exact.tolist() == [0.0, 1.0, 1.0, 0.0]
    assert f1_scores.tolist() == [0.0, 1.0, 1.0, 0.0]
    exact, f1_scores = score_answers(golds, predictions, "v1.1")
    assert exact.tolist() == [1.0, 1.0, 1.0, 0.0]
    assert f1_scores.tolist() == [0.0, 1.0, 0.0, 0.0]


def test_a_question_without_gold_answers_is_right_only_when_the_prediction_has_no_tokens():
    exact, f1_scores = score_answers([[], [], [], []], ["", "The.", "x", None])
    assert exact.tolist() == f1_scores.tolist() == [1.0, 1.0, 0.0, 0.0]


@pytest.mark.parametrize("rule", ["v2", "v1.1"])
def test_a_missing_prediction_scores_nothing_also_where_the_empty_one_would_be_right(rule):
    exact, f1_scores = score_answers([["x"], ["the"]], [None, None], rule)
    assert exact.tolist() == f1_scores.tolist() == [0.0, 0.0]


def test_no_examples_give_empty_arrays():
    exact, f1_scores = score_answers([], [])
    assert exact.shape == f1_scores.shape == (0,)


@pytest.mark.parametrize(
    ("golds", "predictions", "rule", "message"),
    [
        ([["x"]], [], "v2", "1 lists of gold answers and 0 predictions; give one prediction"),
        ([["x"]], ["x"], "v2.0", "rule is 'v2.0'; it must be one of 'v2', 'v1.1'."),
        (["x"], ["x"], "v2", r"golds\[0\] is the string 'x'; it must be a sequence of strings"),
        ([["x"], []], ["x", ""], "v1.1", r"golds\[1\] is empty; the v1.1 rule needs at least one"),
    ],
)
def test_what_cannot_be_scored_is_refused_by_name(golds, predictions, rule, message):
    with pytest.raises(ValueError, match=message):
        score_answers(golds, predictions, rule)


def test_a_summary_has_the_official_keys_in_the_official_order_on_a_scale_of_100():
    summary = summarize(
        np.array([1.0, 0.0, 0.0, 1.0]),
        np.array([1.0, 0.5, 0.0, 1.0]),
        [True, True, False, False],
    )
    assert list(summary.items()) == [
        ("exact", 50.0),
        ("f1", 62.5),
        ("total", 4),
        ("HasAns_exact", 50.0),
        ("HasAns_f1", 75.0),
        ("HasAns_total", 2),
        ("NoAns_exact", 50.0),
        ("NoAns_f1", 50.0),
        ("NoAns_total", 2),
    ]
    assert [type(value) for value in summary.values()] == [float, float, int] * 3


@pytest.mark.parametrize(("has_answer", "absent"), [(True, "NoAns_"), (False, "HasAns_")])
def test_a_summary_leaves_out_the_block_of_a_kind_of_question_that_does_not_occur(
    has_answer, absent
):
    summary = summarize(np.ones(3), np.ones(3), np.full(3, has_answer))
    assert len(summary) == 6
    assert not [key for key in summary if key.startswith(absent)]


@settings(max_examples=draws(200), deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 1.0]), st.floats(0, 1), st.booleans()),
        min_size=1,
        max_size=300,
    )
)
def test_a_summary_adds_in_the_order_of_the_data_set(rows):
    exact, f1_scores, has_answer = (list(column) for column in zip(*rows, strict=True))
    summary = summarize(np.array(exact), np.array(f1_scores), np.array(has_answer))
    expected = {}
    for prefix, kinds in (("", {True, False}), ("HasAns_", {True}), ("NoAns_", {False})):
        positions = [n for n, kind in enumerate(has_answer) if kind in kinds]
        if positions:
            expected |= plain_averages(exact, f1_scores, positions, prefix)
    assert summary == expected


def test_a_summary_rounds_as_one_addition_after_the_other_does():
    # 0.1 added ten times is 0.9999999999999999; a compensated sum (Python 3.12) gives 1.0.
    assert summarize(np.zeros(10), np.full(10, 0.1), np.full(10, True))["f1"] == 9.999999999999998


@pytest.mark.parametrize(
    ("exact", "f1_scores", "has_answer", "message"),
    [
        (np.zeros(0), np.zeros(0), np.zeros(0, bool), "no example to average"),
        (np.zeros(2), np.zeros(3), np.zeros(2, bool), r"f1 \(3,\) and has_answer \(2,\)"),
        (np.zeros(2), np.zeros(2), np.zeros(3, bool), r"all three must be \(E,\)"),
        (np.zeros((1, 1)), np.zeros((1, 1)), np.zeros((1, 1), bool), r"must be \(E,\)"),
        (np.zeros(2), np.zeros(2), np.zeros(2), "has_answer has dtype float64; it must be bool"),
    ],
)
def test_a_summary_of_unfit_arrays_is_refused(exact, f1_scores, has_answer, message):
    with pytest.raises(ValueError, match=message):
        summarize(exact, f1_scores, has_answer)


def plain_precision_recall(golds, prediction, rule):
    """Of the gold answer with the best F1, then the best precision; told one by one."""
    if rule == "v2":
        golds = [gold for gold in golds if plain_tokens(gold)] or [""]
    best = (-1.0, -1.0, -1.0)
    for gold in golds:
        theirs, ours = plain_tokens(gold), plain_tokens(prediction)
        if not theirs or not ours:
            both = 1.0 if rule == "v2" and theirs == ours else 0.0
            best = max(best, (both, both, both))
            continue
        left, shared = list(theirs), 0
        for token in ours:
            if token in left:
                left.remove(token)
                shared += 1
        precision, recall = shared / len(ours), shared / len(theirs)
        together = 2 * precision * recall / (precision + recall) if shared else 0.0
        best = max(best, (together, precision, recall))
    return best[1:]


@THOROUGH
@given(
    st.sampled_from(["v2", "v1.1"]),
    st.lists(st.tuples(st.lists(ANSWERS, min_size=1, max_size=4), ANSWERS), max_size=8),
)
def test_precision_and_recall_equal_the_reference_and_give_the_official_f1(rule, cases):
    golds, predictions = [case[0] for case in cases], [case[1] for case in cases]
    precision, recall = score_tokens(golds, predictions, rule)
    expected = [plain_precision_recall(g, p, rule) for g, p in cases]
    assert list(zip(precision.tolist(), recall.tolist(), strict=True)) == expected
    total = precision + recall
    together = np.divide(2 * precision * recall, total, out=np.zeros(len(cases)), where=total > 0)
    assert together == pytest.approx(score_answers(golds, predictions, rule)[1])


def test_precision_and_recall_are_of_the_gold_answer_that_fits_best():
    golds = [["red stairs of Porto", "stairs"], ["1906"], [], []]
    precision, recall = score_tokens(golds, ["the red stairs", "in 1906", "", "x"])
    assert precision.tolist() == [2 / 2, 1 / 2, 1, 0]
    assert recall.tolist() == [2 / 4, 1, 1, 0]
    assert [side.tolist() for side in score_tokens([["the"]], ["a"], "v1.1")] == [[0], [0]]
    assert [side.tolist() for side in score_tokens([["the"]], [""], "v2")] == [[1], [1]]


SPAN = st.tuples(st.integers(0, 3), st.integers(1, 3)).map(lambda span: (span[0], sum(span)))


@given(st.lists(st.tuples(st.just((-1, -1)) | SPAN, st.lists(SPAN, max_size=3)), min_size=1))
def test_a_span_is_right_if_both_edges_are_those_of_any_gold_answer(cases):
    spans = np.array([span for span, _ in cases])
    flat = np.array([gold for _, golds in cases for gold in golds], np.int64).reshape(-1, 2)
    found = score_spans(spans, flat, np.array([len(golds) for _, golds in cases]))
    assert found.tolist() == [
        float(span in golds if golds else span == (-1, -1)) for span, golds in cases
    ]


@THOROUGH
@given(
    st.lists(
        st.tuples(st.lists(ANSWERS, min_size=1, max_size=3), st.lists(ANSWERS, max_size=4)),
        max_size=6,
    ),
    st.lists(st.lists(ANSWERS, max_size=3), max_size=2),
    st.sampled_from(["v2", "v1.1"]),
)
def test_the_oracle_is_the_best_of_all_candidates_and_the_empty_answer(cases, unanswerable, rule):
    # v1.1 knows no question without gold answers.
    cases = cases + [([], some) for some in unanswerable if rule == "v2"]
    found = oracle_scores([golds for golds, _ in cases], [some for _, some in cases], rule)
    for row, (golds, some) in enumerate(cases):
        scores = [plain_scores(golds, text, rule) for text in [*some, ""]]
        assert found[0][row] == max(exact for exact, _ in scores)
        assert found[1][row] == max(f1 for _, f1 in scores)


def test_the_oracle_is_right_where_nothing_answers_and_no_worse_than_any_choice():
    golds = [[], ["red brick"], ["stone"]]
    candidates = [["wood"], ["a red", "brick wall", "red"], ["wood", "Stone."]]
    exact, best_f1 = oracle_scores(golds, candidates)
    assert exact.tolist() == [1, 0, 1]
    assert best_f1.tolist() == [1, pytest.approx(2 / 3), 1]
    assert [scores.tolist() for scores in oracle_scores([["x"]], [[]])] == [[0], [0]]
