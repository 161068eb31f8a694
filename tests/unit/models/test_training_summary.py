"""What is kept of a training: its figures, its time, its points."""

from squadron.models.training_summary import TrainingSummary, finite_points


def test_only_what_is_known_is_a_figure():
    assert TrainingSummary().figures == {}
    summary = TrainingSummary(best_epoch=2, best_exact_match=61.5, seconds=3.0, seconds_train=0.5)
    assert summary.figures == {"best_epoch": 2.0, "seconds_train": 0.5}
    untrained = TrainingSummary(parameters=9.0, trainable_parameters=0.0)
    assert untrained.figures == {"parameters": 9.0, "trainable_parameters": 0.0}


def test_the_time_of_the_whole_step_goes_before_that_of_its_optimizer_steps():
    assert TrainingSummary().whole_seconds is None
    assert TrainingSummary(seconds=3.0).whole_seconds == 3.0
    assert TrainingSummary(seconds=3.0, seconds_train=5.0).whole_seconds == 5.0


def test_a_figure_that_overflowed_is_left_out_of_its_point():
    points = [{"step": 1, "eval_loss": float("inf"), "f1": 0.0}, {"eval_loss": float("nan")}]
    assert finite_points(points) == ({"step": 1, "f1": 0.0}, {})
