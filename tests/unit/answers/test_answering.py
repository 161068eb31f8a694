"""How a model answers: what is stored comes back, and what older versions stored is understood."""

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from squadron.answers.answering import Answering
from squadron.answers.calibration import METHODS, Calibration
from squadron.config import ANSWER_RULES
from squadron.errors import InputError

numbers = st.floats(allow_nan=False, allow_infinity=False)
calibrations = st.builds(
    Calibration,
    st.sampled_from(METHODS),
    probabilities=st.lists(numbers).map(tuple),
    note=st.text(),
)


@given(
    st.builds(
        Answering, st.none() | numbers, st.sampled_from(ANSWER_RULES), st.none() | calibrations
    )
)
def test_it_comes_back_from_json(answering):
    stored = json.loads(json.dumps(asdict(answering), allow_nan=False))
    assert Answering.read(stored) == answering


def test_every_field_may_be_absent_as_in_older_models():
    assert Answering.read({}) == Answering(None, "window", None)
    full = asdict(Answering(2.5, "lowest_null", Calibration("platt", slope=0.1)))
    for name, default in asdict(Answering()).items():
        fewer = {key: value for key, value in full.items() if key != name}
        assert asdict(Answering.read(fewer)) == {**full, name: default}


def test_the_probabilities_of_an_older_model_are_read():
    stored = {**asdict(Calibration("platt", slope=0.1, intercept=2.0)), "scores": []}
    read = Answering.read({"calibration": stored}).calibration
    assert read == Calibration("platt", slope=0.1, intercept=2.0)


def test_a_method_that_this_version_does_not_know_is_refused():
    stored = {**asdict(Calibration("platt")), "method": "isotonic"}
    with pytest.raises(InputError, match=r"the method 'isotonic', this version knows \('platt', "):
        Answering.read({"calibration": stored})


def test_what_the_file_says_about_itself_is_not_its_concern():
    assert Answering.read({"schema": "answering/1", "made_from": "abc"}) == Answering()


def test_a_rule_of_a_later_version_is_refused():
    with pytest.raises(InputError, match=r"rule 'product', this version knows \('window', "):
        Answering.read({"answer_rule": "product"})
