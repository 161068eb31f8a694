"""The cue rules by what they promise, and figures on types by hand and by scikit-learn's words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from squadron.data.question_types import TYPES, guess_type, score_types

SAMPLES = [
    ("Why did the mill close?", "causal"),
    ("The mill closed because of what?", "causal"),
    ("For what reason did the mill close?", "causal"),
    ("What led to the strike?", "causal"),
    ("What was the main cause of the fire?", "causal"),
    ("Why was the old bridge longer than the new one?", "causal"),  # the first rule that fits
    ("Which river is longer, the Douro or the Tagus?", "comparative"),
    ("Who is older, Ann or Lee?", "comparative"),
    ("In which year was income higher?", "comparative"),
    ("Which years did sales exceed 20 million?", "comparative"),
    ("Are both rivers in Spain?", "comparative"),
    ("Were the two built in the same year?", "comparative"),
    ("What do slate and shale have in common?", "comparative"),
    ("How does slate differ from shale?", "comparative"),
    ("What is the difference between slate and shale?", "comparative"),
    ("When did the library open?", "factual"),
    ("What is the largest moon of Saturn?", "factual"),
    ("How many more ships came in 1906 than in 1905?", "factual"),
    ("What was the percentage change compared to 2018?", "factual"),
    ("What is the difference between income in 2018 and 2019?", "factual"),
    ("How many different fish live there?", "factual"),
    ("What causeway joins the islands?", "factual"),
    ("", "factual"),
]


@pytest.mark.parametrize(("question", "wanted"), SAMPLES)
def test_a_question_has_the_type_of_its_cue(question, wanted):
    assert guess_type(question) == wanted


@given(st.text(max_size=300))
def test_any_text_has_a_type_whatever_its_case(text):
    assert guess_type(text) in TYPES
    if text.isascii():
        assert guess_type(text.upper()) == guess_type(text.lower())


def test_figures_are_those_made_by_hand():
    predicted = ["causal", "causal", "factual", "factual", "factual"]
    wanted = ["causal", "factual", "factual", "factual", "causal"]
    figures = score_types(predicted, wanted)
    assert figures["accuracy"] == pytest.approx(60)
    assert figures["causal_precision"] == figures["causal_recall"] == figures["causal_f1"] == 50
    assert figures["factual_f1"] == pytest.approx(200 / 3)
    # No question is comparative and none was called so: the mean is over two types.
    assert figures["macro_f1"] == pytest.approx((50 + 200 / 3) / 2)
    assert (figures["factual_count"], figures["comparative_count"]) == (3, 0)
    assert score_types([], []) == {}


def test_a_type_that_was_predicted_in_vain_counts_in_the_mean():
    assert score_types(["comparative", "factual"], ["factual"] * 2)["macro_f1"] == pytest.approx(
        (0 + 200 / 3) / 2
    )
