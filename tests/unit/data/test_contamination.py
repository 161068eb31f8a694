"""What judged splits share with train: when it is said, and when figures mean nothing."""

from dataclasses import replace

import pytest

from squadron.config import Data
from squadron.data.contamination import describe_shared, is_test_spoilt, read_shared
from squadron.data.validation_file import SplitLeakageSummary
from tests import results


def make_validation(unit="paragraph", **found):
    """The validation of a race whose test split has 200 units of 8 titles."""
    about = replace(SplitLeakageSummary(200, 0, 0.0, 0, 0, ()), **found)
    test = results.make_split("test", titles=tuple(f"T{n}" for n in range(8)))
    return results.make_validation(unit, {"test": test}, test=about)


def test_what_shares_nothing_is_not_mentioned():
    assert read_shared(make_validation()) == {}
    assert describe_shared({}) == []
    assert not is_test_spoilt({})


@pytest.mark.parametrize(("count", "is_spoilt"), [(1, False), (2, False), (3, True), (200, True)])
def test_a_test_split_is_spoilt_above_the_share_that_is_allowed_by_default(count, is_spoilt):
    assert Data.max_shared_share == 0.01
    shared = read_shared(make_validation(units_also_in_train=count))
    assert is_test_spoilt(shared) == is_spoilt
    (warning,) = describe_shared(shared)
    assert warning.endswith("no figures." if is_spoilt else "Its figures may be too high.")
    assert warning.startswith("test was trained on: " if is_spoilt else "test was partly trained")


def test_shared_titles_alone_are_said_and_spoil_nothing():
    shared = read_shared(make_validation(titles_also_in_train=5))
    assert not is_test_spoilt(shared)
    assert describe_shared(shared) == [
        "test has titles that were trained on: 5 of its 8 titles are also in train. It shows "
        "little about new titles."
    ]
    # By question, all questions share a title by design.
    assert read_shared(make_validation("question", titles_also_in_train=5)) == {}
