"""The table of seconds and the texts that no test of the console shows."""

import pytest

from launch.race_steps import RaceSteps
from launch.status import DOING, list_seconds
from squadron.config import Contender
from squadron.steps import STEPS


def run_race(*labels):
    now = [0.0]
    race = RaceSteps([Contender("span", label) for label in labels], lambda: now[0])
    for step in ("ingest", "admit", "open_race", *(race.loop_steps * len(labels)), "register"):
        race.begin(step)
        now[0] += 12_345.67
    race.begin("report")
    return race


def test_each_step_says_what_it_does():
    assert list(DOING) == [each.name for each in STEPS]
    assert max(map(len, DOING.values())) < 30


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_of_seconds_fits_the_screen(width):
    lines = list_seconds(run_race("span", "a-label-of-thirty-characters-x", "x" * 60), width)
    assert max(map(len, lines)) <= width
    heads = [line.split()[0] for line in lines]
    assert heads[:2] == ["seconds", "span"]
    assert "x" * 60 in heads
    figures = [line for line in lines if line.endswith("49,382.7")]
    assert len(figures) == 3
    assert len({len(line) for line in figures}) == 1


def test_a_race_without_a_step_from_the_cache_does_not_explain_brackets():
    assert not any("Brackets" in line for line in list_seconds(run_race("span"), 80))
