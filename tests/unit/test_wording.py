"""How figures, intervals and lists are written."""

import pytest

from squadron import wording

SUMMARY = {"exact": 61.234, "exact_low": 58.31, "exact_high": 64.08, "f1": 70.0}
SUMMARY |= {"exact_title_low": 52.26, "exact_title_high": 69.04}


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
    assert wording.interval(SUMMARY, "exact") == "58.3–64.1"
    assert wording.interval(SUMMARY, "exact", "title") == "52.3–69.0"
    assert wording.interval(SUMMARY, "f1") == ""
    assert wording.interval({"f1_low": None, "f1_high": None}, "f1") == ""


def test_a_figure_stands_before_its_interval_and_sentences_name_the_level():
    assert wording.figure_with_interval(SUMMARY, "exact") == "61.23 (58.3–64.1)"
    shown = wording.figure_with_interval(SUMMARY, "exact", names_level=True)
    assert shown == "61.23 (95 % interval 58.3–64.1)"
    assert wording.figure_with_interval(SUMMARY, "f1", names_level=True) == "70.00"


def test_the_interval_of_a_lead_may_be_negative():
    assert wording.lead_interval({"low": -0.5, "high": 3.2}) == "-0.50 to 3.20"
    assert wording.lead_interval({"low": None, "high": None}) == ""
    assert wording.p_value(0.0049) == "p 0.005"


@pytest.mark.parametrize(
    ("parts", "shown"), [([], ""), (["a"], "a"), (["a", "b"], "a or b"), ("abc", "a, b or c")]
)
def test_a_list_is_written_as_people_write_it(parts, shown):
    assert wording.join_words(parts, "or") == shown
    assert wording.join_words(parts) == shown.replace(" or ", " and ")


def test_names_are_written_as_words():
    assert wording.words("wrong_place") == "wrong place"
