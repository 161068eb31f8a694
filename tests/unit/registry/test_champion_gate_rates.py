"""How often the gate lets a challenger replace the champion, in simulated races with fixed seeds.

docs/decisions/gates.md has the same rates of more races.
"""

import pytest

from benchmarks.simulate_champion import measure
from squadron.scores import significance

RACES = 400


@pytest.fixture(autouse=True)
def fewer_patterns(monkeypatch):
    """Fewer sign patterns change no error rate."""
    monkeypatch.setattr(significance, "RESAMPLES", 1000)


@pytest.mark.parametrize("challengers", [1, 4])
def test_equal_and_lucky_challengers_do_not_replace_the_champion(challengers):
    found = measure(RACES, 120, challengers, 0.0, (0.0,))
    # The highest EM alone would hand the alias to chance in about half of the races, or in more.
    assert found["ahead"] > 35
    # A test at 5 %, two-sided, lets 2.5 of 100 equals pass; 400 races vary by 0.8.
    assert found["margin 0"] < 5
    # Even of those that were lucky enough to be ahead, hardly one passes.
    assert found["margin 0"] < 0.1 * found["ahead"]


def test_a_better_challenger_replaces_the_champion():
    found = measure(RACES, 120, 1, 8.0, (0.0,))
    assert found["margin 0"] > 85


def test_a_worse_challenger_does_not_replace_the_champion_within_a_margin_either():
    found = measure(RACES, 120, 1, -4.0, (0.0, 2.0))
    assert found["margin 0"] < 1
    assert found["margin 2"] < 2


def test_a_wider_margin_lets_more_challengers_pass():
    found = measure(RACES, 120, 1, 2.0, (0.0, 1.0, 2.0))
    assert found["margin 0"] < found["margin 1"] < found["margin 2"] < found["ahead"]
