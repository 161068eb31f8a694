import numpy as np
import pytest

from squadron.answers.alternatives import Alternative, find_alternatives
from squadron.answers.calibration import Calibration
from squadron.answers.ranking import Ranked

CONTEXT = "Ada wrote it in 1843, and ADA ran it."
SPANS = [(0, 3, 5.0), (26, 29, 4.0), (16, 20, 3.0), (13, 20, 2.0), (0, 9, 1.0)]


def make_ranked(*questions):
    """The candidates of each question: (start, end, score), best first."""
    rows = [row for question in questions for row in question]
    edges = np.cumsum([0, *map(len, questions)])
    start, end, score = zip(*rows, strict=True) if rows else ((), (), ())
    whole = (np.array(column, np.int32) for column in (start, end))
    return Ranked(edges, *whole, np.array(score, np.float32))


def test_alternatives_are_the_next_best_spans_with_other_texts():
    ranked = make_ranked([(4, 9, 9.0)], SPANS)
    found = find_alternatives(ranked, 1, CONTEXT, 2, None)
    # "ADA" is the best answer in other letters.
    assert found == (
        Alternative("1843", 16, 20, 3.0, None),
        Alternative("in 1843", 13, 20, 2.0, None),
    )
    assert [each.text for each in find_alternatives(ranked, 1, CONTEXT, 19, None)] == [
        "1843",
        "in 1843",
        "Ada wrote",
    ]


def test_no_alternatives_are_no_alternatives():
    assert find_alternatives(make_ranked(SPANS), 0, CONTEXT, 0, None) == ()
    assert find_alternatives(make_ranked([], SPANS), 0, CONTEXT, 5, None) == ()
    assert find_alternatives(make_ranked(SPANS[:1]), 0, CONTEXT, 5, None) == ()


def test_the_calibration_gives_each_alternative_a_probability():
    mapping = Calibration("platt", slope=0.5, intercept=-1.0)
    first, second = find_alternatives(make_ranked(SPANS), 0, CONTEXT, 2, mapping)
    assert first.probability == pytest.approx(float(mapping.apply(3.0)), abs=1e-12)
    assert first.probability > second.probability > 0
