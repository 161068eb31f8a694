"""Whether a race is finished: every word of Kubeflow against everything that a race can leave.

The words follow kubeflow/pipelines 2.15 to 2.17. backend/src/v2/driver/resolve.go gives the exit
handler the metadata store's state of the pipeline's DAG and an empty error;
backend/src/v2/metadata/client.go (`UpdateDAGExecutionsState`, tested in
client_update_dag_state_test.go) makes that state COMPLETE, FAILED or leaves RUNNING: the launcher
of a task that ends writes it, and the driver that serves a task from the cache does not
(backend/src/v2/driver/container.go). The sample
backend/src/v2/driver/test_data/pipeline_with_input_status_state.py asserts COMPLETE, and SUCCEEDED
in later versions; kfp.local says SUCCEEDED.
"""

import dataclasses

import pytest

from squadron.tracking.verdict import COMPLETED, STOPPED, Left, judge_race, may_close

# As an opened try leaves it whose steps ran, one after another, until something stopped it.
NOTHING = Left(opened=True, worked=True, result=False, new_result=False, reported=False, failure="")
RESULT = dataclasses.replace(NOTHING, result=True, new_result=True)
WHOLE = dataclasses.replace(RESULT, reported=True)
EARLIER = dataclasses.replace(NOTHING, result=True)
"""The result is of an earlier try."""
CACHED = dataclasses.replace(EARLIER, worked=False)
"""And no step of this try ran: all came from the cache."""
TRAIN_FAILED, REPORT_FAILED, EARLIER_FAILED = (
    dataclasses.replace(left, failure="why") for left in (NOTHING, RESULT, EARLIER)
)
SAID_COMPLETE = ("COMPLETE", "CACHED", "SUCCEEDED")
SAID_STOPPED = ("FAILED", "CANCELED")
SAID_NOTHING = ("RUNNING", "NEW", "UNKNOWN", "", "SOMETHING_NEW")


def is_finished(word, left):
    return judge_race(word, left) == ""


def test_every_word_is_sorted_once():
    assert set(SAID_COMPLETE) <= COMPLETED
    assert set(SAID_STOPPED) <= STOPPED
    assert not COMPLETED & STOPPED
    assert not (COMPLETED | STOPPED) & set(SAID_NOTHING)


@pytest.mark.parametrize("word", [*SAID_COMPLETE, *SAID_STOPPED, *SAID_NOTHING])
def test_no_race_without_a_result_is_finished(word):
    assert "no step left a result" in judge_race(word, NOTHING)
    assert repr(word) in judge_race(word, NOTHING)
    assert judge_race(word, TRAIN_FAILED) == "why"


@pytest.mark.parametrize("word", [*SAID_COMPLETE, *SAID_STOPPED, *SAID_NOTHING])
def test_a_race_that_left_everything_is_finished_whatever_the_word(word):
    assert is_finished(word, WHOLE)


@pytest.mark.parametrize("word", SAID_COMPLETE)
@pytest.mark.parametrize("left", [RESULT, CACHED, EARLIER, REPORT_FAILED, EARLIER_FAILED])
def test_a_race_that_completed_with_a_result_is_finished(word, left):
    # A failure that was noted is one of an attempt that a retry made good.
    assert is_finished(word, left)
    assert is_finished(word.lower(), left)


@pytest.mark.parametrize("word", SAID_NOTHING)
def test_without_a_word_the_result_of_this_try_decides(word):
    assert is_finished(word, RESULT)
    assert is_finished(word, CACHED)
    assert not is_finished(word, EARLIER)
    assert judge_race(word, REPORT_FAILED) == judge_race(word, EARLIER_FAILED) == "why"


@pytest.mark.parametrize("word", SAID_STOPPED)
@pytest.mark.parametrize("left", [RESULT, CACHED, EARLIER])
def test_a_race_that_was_stopped_before_its_report_is_not_finished(word, left):
    assert repr(word) in judge_race(word, left)
    assert judge_race(word, dataclasses.replace(left, failure="why")) == "why"


@pytest.mark.parametrize("word", [*SAID_STOPPED, *SAID_NOTHING])
@pytest.mark.parametrize("left", [RESULT, WHOLE, CACHED])
def test_a_try_that_never_opened_the_race_does_not_inherit_its_end(word, left):
    assert not is_finished(word, dataclasses.replace(left, opened=False))


@pytest.mark.parametrize("word", [*SAID_COMPLETE, *SAID_STOPPED, *SAID_NOTHING])
def test_a_try_ends_what_it_opened_or_what_ended_well(word):
    ours = dataclasses.replace(WHOLE, opened_by="ours")
    assert may_close(word, ours, "ours")
    assert may_close(word, ours, "")
    assert may_close(word, ours, "another") == (word in SAID_COMPLETE)
