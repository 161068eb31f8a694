import io
import json
import sys

import pytest

from squadron import progress
from squadron.progress import EVENT_PREFIX, EVENTS_VARIABLE, Progress


class Clock:
    """Time as the test sets it."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


@pytest.fixture
def in_a_log(monkeypatch):
    monkeypatch.delenv(EVENTS_VARIABLE, raising=False)


@pytest.fixture
def under_a_launcher(monkeypatch):
    monkeypatch.setenv(EVENTS_VARIABLE, "1")


def read_events(capsys):
    output = capsys.readouterr()
    assert output.err == ""
    lines = output.out.splitlines()
    assert all(line.startswith(EVENT_PREFIX) for line in lines)
    return [json.loads(line.removeprefix(EVENT_PREFIX)) for line in lines]


def test_a_launcher_gets_one_json_line_per_event(under_a_launcher, capsys):
    progress.say("ingest 😀\n2 lines", examples=3)
    progress.emit_error("train", "no file", is_input=True)
    assert read_events(capsys) == [
        {"kind": "line", "text": "ingest 😀\n2 lines", "examples": 3},
        {"kind": "error", "step": "train", "text": "no file", "is_input": True},
    ]


def test_without_a_launcher_people_get_lines_on_stderr(in_a_log, capsys):
    progress.say("ingest 3 examples", examples=3)
    progress.emit_error("train", "no file", is_input=True)
    output = capsys.readouterr()
    assert output.err == "ingest 3 examples\ntrain: no file\n"
    assert output.out == ""


def test_an_empty_variable_means_no_launcher(monkeypatch, capsys):
    monkeypatch.setenv(EVENTS_VARIABLE, "")
    progress.say("hello")
    assert capsys.readouterr().err == "hello\n"


def test_a_launcher_sees_progress_at_intervals_and_the_last_state_once(
    under_a_launcher, clock, capsys
):
    with Progress("train span", 10, "windows") as bar:
        for loss in (3.0, 2.0, 1.0):
            clock.now += progress.SECONDS_BETWEEN_EVENTS * 0.6
            bar.advance(2, loss=loss)
        bar.advance(4, loss=0.5)
    common = {"kind": "progress", "title": "train span", "total": 10, "unit": "windows"}
    assert read_events(capsys) == [
        {**common, "done": 4, "figures": {"loss": 2.0}},
        {**common, "done": 10, "figures": {"loss": 0.5}},
    ]


def test_a_log_gets_a_plain_line_at_intervals(in_a_log, clock, capsys):
    with Progress("train span", 3000, "windows") as bar:
        for _ in range(6):
            clock.now += progress.SECONDS_BETWEEN_LINES / 2
            bar.advance(500, loss=2 / 3, exact_match=50.0)
    output = capsys.readouterr()
    assert output.err.splitlines() == [
        "train span: 1000/3000 windows, 66.7/s, loss 0.6667, exact_match 50",
        "train span: 2000/3000 windows, 66.7/s, loss 0.6667, exact_match 50",
        "train span: 3000/3000 windows, 66.7/s, loss 0.6667, exact_match 50",
    ]
    assert output.out == ""


def test_short_work_leaves_no_line_in_a_log(in_a_log, clock, capsys):
    with Progress("predict span", 3, "windows") as bar:
        bar.advance(3)
    assert capsys.readouterr() == ("", "")


def test_figures_stay_until_they_change(under_a_launcher, clock, capsys):
    with Progress("train", 2, "windows") as bar:
        bar.advance(1, loss=1.0, exact_match=5.0)
        bar.advance(1, loss=0.5)
    assert read_events(capsys)[-1]["figures"] == {"loss": 0.5, "exact_match": 5.0}


def test_a_failure_inside_is_passed_on_after_the_last_state(under_a_launcher, clock, capsys):
    def fail():
        with Progress("train", 2, "windows") as bar:
            bar.advance(1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert [event["done"] for event in read_events(capsys)] == [1]


def test_a_terminal_shows_a_bar_that_goes_when_it_is_done(in_a_log, monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress("train span", 10, "windows") as bar:
        bar.advance(10, loss=0.25)
    shown = terminal.getvalue()
    assert "train span" in shown
    assert "0/10" in shown
    assert "\n" not in shown
    assert shown.split("\r")[-1].strip() == ""


def test_a_launcher_is_told_even_on_a_terminal(under_a_launcher, monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress("train span", 10, "windows") as bar:
        bar.advance(10)
    assert terminal.getvalue() == ""
    assert len(read_events(capsys)) == 1
