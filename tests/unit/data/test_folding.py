import pytest
from hypothesis import given
from hypothesis import strategies as st

from squadron.data.folding import fold_text

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Super Bowl 50", "super  bowl\n50 "),
        ("Beyoncé", "Beyonce\u0301"),
        ("Straße", "STRASSE"),
        ("5 km", "5\u00a0㎞"),
        ("ﬁre", "Fire"),
        ("ΣΊΣΥΦΟΣ", "σίσυφος"),
    ],
)
def test_unicode_form_white_space_and_case_make_no_difference(one, other):
    assert fold_text(one) == fold_text(other)


@pytest.mark.parametrize(("one", "other"), [("cafe", "café"), ("ab", "a b"), ("1906", "1907")])
def test_letters_accents_and_words_make_a_difference(one, other):
    assert fold_text(one) != fold_text(other)


@given(TEXTS)
def test_a_folded_text_folds_to_itself(text):
    assert fold_text(fold_text(text)) == fold_text(text)
