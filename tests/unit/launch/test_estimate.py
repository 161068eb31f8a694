"""What is left of a race, with times that are easy to add up in the head."""

from dataclasses import replace

import pytest

from launch.estimate import Left, estimate_left
from launch.race_steps import RaceSteps
from squadron.config import Contender, Predict, Train, Windows
from squadron.progress import State
from squadron.runs_folder.step_notes import StepNote

SPAN = Contender("span", train=Train(epochs=2))
SHARED_SECONDS = 1.0


class Race(RaceSteps):
    """A race whose steps take as long as the test says."""

    def __init__(self, *contenders):
        self.now = 0.0
        super().__init__(contenders, lambda: self.now)

    def run(self, step, seconds, windows=0, windows_seconds=0.0):
        """Runs a step to its end."""
        self.begin(step)
        if windows:
            self.advance(State(step, windows, "windows", windows, seconds=windows_seconds))
        self.now += seconds
        self.end()

    def run_shared(self):
        for step in ("ingest", "admit", "open_race"):
            self.run(step, SHARED_SECONDS)

    def run_contender(self):
        """100 s in all: 50 s per epoch of 100 windows, and 20 s for 100 windows of predict."""
        self.run("featurize", 4.0)
        self.run("train", 110.0, windows=200, windows_seconds=100.0)
        self.run("predict", 23.0, windows=100, windows_seconds=20.0)
        self.run("evaluate", 7.0)


def left_after_the_first(*contenders):
    """Returns what is left after the first contender, without register, report and close_race."""
    race = Race(SPAN, *contenders)
    race.run_shared()
    race.run_contender()
    left = estimate_left(race)
    return replace(left, seconds=left.seconds - 3 * SHARED_SECONDS)


# What the steps of another contender take: featurize comes from the cache.
TRAIN, PREDICT, EVALUATE = 10 + 100, 3 + 20, 7


def test_nothing_is_known_before_any_training():
    race = Race(SPAN, replace(SPAN, label="other"))
    assert estimate_left(race) is None
    race.run_shared()
    race.run("featurize", 4.0)
    race.begin("train")
    assert estimate_left(race) is None


def test_a_contender_like_the_first_one_takes_as_long_without_featurize():
    left = left_after_the_first(replace(SPAN, label="other"))
    assert left == Left(TRAIN + PREDICT + EVALUATE, is_all=True)
    two = left_after_the_first(replace(SPAN, label="other"), replace(SPAN, variant="lora"))
    assert two == Left(2 * (TRAIN + PREDICT + EVALUATE), is_all=True)


def test_a_training_takes_longer_by_its_epochs():
    left = left_after_the_first(replace(SPAN, label="other", train=Train(epochs=6)))
    assert left == Left(TRAIN + 200 + PREDICT + EVALUATE, is_all=True)


def test_a_contender_that_does_not_train_loads_predicts_and_is_judged():
    left = left_after_the_first(replace(SPAN, variant="pretrained"))
    assert left == Left(10 + PREDICT + EVALUATE, is_all=True)


@pytest.mark.parametrize(
    ("change", "seconds"),
    [
        ({"backbone": "another"}, 4 + EVALUATE),
        ({"windows": Windows(max_length=256)}, 4 + EVALUATE),
        ({"train": Train(max_examples=10)}, PREDICT + EVALUATE),
        ({"predict": Predict(train_questions=8)}, TRAIN + EVALUATE),
    ],
)
def test_what_was_never_measured_is_left_out_and_the_rest_is_called_incomplete(change, seconds):
    left = left_after_the_first(replace(SPAN, label="other", **change))
    assert left == Left(seconds, is_all=False)


def test_the_pace_of_the_same_variant_counts_more_than_another_one():
    lora = replace(SPAN, variant="lora")
    race = Race(SPAN, replace(lora, label="one"), replace(lora, label="two"))
    race.run_shared()
    race.run_contender()
    race.run("featurize", 4.0)
    race.run("train", 60.0, windows=200, windows_seconds=50.0)
    race.run("predict", 23.0, windows=100, windows_seconds=20.0)
    race.run("evaluate", 7.0)
    left = estimate_left(race)
    assert left == Left(10 + 50 + PREDICT + EVALUATE + 3 * SHARED_SECONDS, is_all=True)


def test_the_step_that_runs_counts_with_what_is_left_of_it():
    race = Race(SPAN, replace(SPAN, label="other"))
    race.run_shared()
    race.run_contender()
    race.take("featurize", None)
    race.begin("train")
    race.now += 30
    rest = PREDICT + EVALUATE + 3 * SHARED_SECONDS
    assert estimate_left(race) == Left(TRAIN - 30 + rest, is_all=True)
    # It turns out to be twice as fast as the first one.
    race.advance(State("train", 200, "windows", 100, seconds=25.0))
    assert estimate_left(race) == Left(25 + rest, is_all=True)
    race.now += 1000
    race.begin("evaluate")
    race.now += 1000
    assert estimate_left(race).seconds >= 0


def test_a_tenth_of_the_first_training_says_how_long_the_other_trainings_take():
    race = Race(SPAN, replace(SPAN, label="other"))
    race.run("featurize", 4.0)
    race.begin("train")
    race.now += 12
    race.advance(State("train", 200, "windows", 19, seconds=10.0))
    assert estimate_left(race) is None
    race.advance(State("train", 200, "windows", 20, seconds=10.0))
    # 180 windows are left at 0.5 s, and the other training has 200 of them after a start of 2 s.
    assert estimate_left(race) == Left(90 + 2 + 100, is_all=False)


def test_a_contender_that_was_judged_is_complete_before_its_step_ends():
    race = Race(SPAN, replace(SPAN, label="other"))
    race.run_shared()
    race.run_contender()
    race.ended.pop()
    race.begin("evaluate")
    race.now += 7
    assert not estimate_left(race).is_all
    race.judge(0, 50.0)
    rest = TRAIN + PREDICT + EVALUATE + 3 * SHARED_SECONDS
    assert estimate_left(race) == Left(rest, is_all=True)


def test_windows_of_an_earlier_try_do_not_make_the_pace_faster():
    race = Race(SPAN, replace(SPAN, label="other"))
    race.run_shared()
    race.run("featurize", 4.0)
    race.begin("train")
    race.advance(State("train", 200, "windows", 200, first=100, seconds=50.0))
    race.now += 60
    race.run("predict", 23.0, windows=100, windows_seconds=20.0)
    race.run("evaluate", 7.0)
    left = estimate_left(race)
    assert left == Left(TRAIN + PREDICT + EVALUATE + 3 * SHARED_SECONDS, is_all=True)


def test_what_was_noted_of_cached_steps_counts():
    race = Race(SPAN, replace(SPAN, label="other"))
    race.run_shared()
    race.take("featurize", StepNote(4.0))
    race.take("train", StepNote(110.0, 200, 100.0, 200))
    race.take("predict", StepNote(23.0, 100, 20.0, 100))
    race.take("evaluate", StepNote(7.0, exact_match=50.0))
    left = estimate_left(race)
    assert left == Left(TRAIN + PREDICT + EVALUATE + 3 * SHARED_SECONDS, is_all=True)


def test_what_this_run_measured_counts_more_than_what_was_noted_of_cached_steps():
    race = Race(SPAN, replace(SPAN, label="slow"), replace(SPAN, label="other"))
    race.take("ingest", StepNote(100.0))
    race.take("admit", StepNote(100.0))
    race.run("open_race", SHARED_SECONDS)
    race.take("featurize", StepNote(40.0))
    race.take("train", StepNote(1100.0, 200, 1000.0, 200))
    race.take("predict", StepNote(230.0, 100, 200.0, 100))
    race.take("evaluate", StepNote(70.0, exact_match=50.0))
    race.run_contender()
    left = estimate_left(race)
    assert left == Left(TRAIN + PREDICT + EVALUATE + 3 * SHARED_SECONDS, is_all=True)
