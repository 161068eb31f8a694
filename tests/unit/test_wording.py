"""How figures, intervals and lists are written."""

import pytest

from squadron import wording
from squadron.wording import Estimate

EM = Estimate(61.234, 58.31, 64.08)
F1 = Estimate(70.0)


@pytest.mark.parametrize(
    ("value", "shown"), [(None, "–"), (0.0, "0.00"), (1234.567, "1,234.57"), (-0.5, "-0.50")]
)
def test_a_figure_has_two_decimals_and_a_missing_one_a_dash(value, shown):
    assert wording.figure(value) == shown


def test_a_figure_can_have_other_decimals_and_another_sign_for_nothing():
    assert wording.figure(1234.56, 1) == "1,234.6"
    assert wording.figure(None, missing="-") == "-"
    assert wording.whole(1234.56) == "1,235"


def test_an_interval_has_one_decimal_and_is_empty_where_there_is_none():
    assert wording.interval(EM) == "58.3–64.1"
    assert wording.interval(Estimate(0.0, 0.0, 0.0)) == "0.0–0.0"
    assert wording.interval(F1) == wording.interval(Estimate(70.0, None, None)) == ""


def test_a_figure_stands_before_its_interval_and_sentences_name_the_level():
    assert wording.figure_with_interval(EM) == "61.23 (58.3–64.1)"
    shown = wording.figure_with_interval(EM, names_level=True)
    assert shown == "61.23 (95 % interval 58.3–64.1)"
    assert wording.figure_with_interval(F1, names_level=True) == "70.00"


def test_the_interval_of_a_lead_may_be_negative():
    assert wording.lead_interval(Estimate(1.35, -0.5, 3.2)) == "-0.50 to 3.20"
    assert wording.lead_interval(Estimate(1.35)) == ""
    assert wording.p_value(0.0049) == "p 0.005"


@pytest.mark.parametrize(
    ("parts", "shown"), [([], ""), (["a"], "a"), (["a", "b"], "a or b"), ("abc", "a, b or c")]
)
def test_a_list_is_written_as_people_write_it(parts, shown):
    assert wording.join_words(parts, "or") == shown
    assert wording.join_words(parts) == shown.replace(" or ", " and ")


def test_names_are_written_as_words():
    assert wording.words("wrong_place") == "wrong place"
