import json
import sys
from dataclasses import replace

import pytest

from squadron import progress
from squadron.progress import (
    EVENT_PREFIX,
    EVENTS_VARIABLE,
    Progress,
    State,
    TerminalLines,
    choose_parts,
    describe,
    draw,
    draw_bar,
    show_duration,
)
from tests.screens import Terminal


class Clock:
    """Time as the test sets it."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


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
        bar.resume(1)
        bar.enter("epoch 1/2")
        for loss in (3.0, 2.0, 1.0):
            clock.now += 2
            bar.advance(2, loss=loss)
        bar.advance(3, loss=0.5)
    events = read_events(capsys)
    assert [event.pop("kind") for event in events] == ["progress"] * 5
    common = State("train span", 10, "windows", first=1, stage="epoch 1/2")
    assert [State(**event) for event in events] == [
        replace(common, done=1),
        replace(common, done=3, seconds=2, figures={"loss": 3.0}),
        replace(common, done=5, seconds=4, figures={"loss": 2.0}),
        replace(common, done=7, seconds=6, figures={"loss": 1.0}),
        replace(common, done=10, seconds=6, figures={"loss": 0.5}, has_ended=True),
    ]


def test_a_launcher_is_told_at_most_every_third_of_a_second(under_a_launcher, clock, capsys):
    with Progress("train span", 10, "windows") as bar:
        for _ in range(5):
            clock.now += progress.SECONDS_BETWEEN_EVENTS * 0.6
            bar.advance(2)
    assert [event["done"] for event in read_events(capsys)] == [4, 8, 10]


def test_a_log_gets_a_plain_line_at_intervals_and_the_end(in_a_log, clock, capsys):
    with Progress("train span", 3000, "windows") as bar:
        bar.enter("epoch 1/2")
        for _ in range(6):
            clock.now += progress.SECONDS_BETWEEN_LINES / 2
            bar.advance(500, loss=2 / 3, exact_match=50.0)
    output = capsys.readouterr()
    figures = "loss 0.6667, exact_match 50"
    assert output.err.splitlines() == [
        f"train span: epoch 1/2, 1,000/3,000 windows, 0:15 of about 0:45, 0:30 left, {figures}",
        f"train span: epoch 1/2, 2,000/3,000 windows, 0:30 of about 0:45, 0:15 left, {figures}",
        f"train span: epoch 1/2, 3,000/3,000 windows, 0:45 of about 0:45, 0:00 left, {figures}",
        f"train span: 3,000/3,000 windows in 45 s, {figures}",
    ]
    assert output.out == ""


def test_what_an_earlier_try_did_makes_the_pace_no_faster():
    state = State("train", 1000, "windows", done=600, first=500, seconds=60.0)
    assert state.seconds_left == 240
    assert replace(state, done=500).seconds_left is None
    assert describe(replace(state, done=500)) == "train: 500/1,000 windows, 1:00"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 0 s"),
        (195, "3 min 15 s"), (3599.7, "1 h 0 min"), (7500, "2 h 5 min"),
    ],
)  # fmt: skip
def test_durations_are_shown_as_people_say_them(seconds, shown):
    assert show_duration(seconds) == shown


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (
            120,
            "train      span ███░░░░░░░  33% epoch 1/2, 1:05 elapsed, about 2:10 left, "
            "320/960 windows, loss 1.234",
        ),
        (80, "train      span ███░░░░░░░  33% epoch 1/2, about 2:10 left, loss 1.234"),
        (60, "train      span ███░░░░░░░  33% epoch 1/2, about 2:10 left"),
        (50, "train      span  33% epoch 1/2, about 2:10 left"),
        (35, "train      span  33% epoch 1/2"),
        (24, "train      span  33%"),
    ],
)
def test_a_terminal_shows_what_has_room_and_cuts_nothing(width, shown):
    state = State(
        "train      span", 960, "windows", 320, stage="epoch 1/2", seconds=65.0,
        figures={"loss": 1.234},
    )  # fmt: skip
    line = draw(state, width)
    assert line == shown
    assert len(line) < width


def test_a_terminal_shows_the_elapsed_time_where_nothing_says_how_much_is_left():
    state = State("train      span", 960, "windows", stage="epoch 1/2", seconds=3.0)
    assert draw(state, 80) == (
        "train      span ░░░░░░░░░░   0% epoch 1/2, 0:03 elapsed, 0/960 windows"
    )


@pytest.mark.parametrize(
    ("share", "bar"), [(0.0, "░░░░░░░░░░"), (0.39, "███░░░░░░░"), (1.0, "██████████")]
)
def test_a_bar_never_shows_more_than_is_done(share, bar):
    assert draw_bar(share) == bar


def test_parts_that_do_not_fit_are_left_out_the_last_ones_first():
    parts = ["one", "a long part", "two"]
    whole = len(", ".join(parts))
    assert choose_parts(parts, whole + 1) == parts
    assert choose_parts(parts, whole) == ["one", "a long part"]
    assert choose_parts(parts, 16) == ["one", "two"]
    assert choose_parts(parts, 3) == []


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


def test_lines_are_drawn_over_those_before_and_leave_nothing(terminal):
    lines = TerminalLines(terminal)
    terminal.write("before\n")
    lines.draw("first", "a long second")
    assert terminal.seen == "before\nfirst\na long second"
    lines.draw("a longer first", "second")
    assert terminal.seen == "before\na longer first\nsecond"
    lines.draw("only")
    assert terminal.seen == "before\nonly\n"
    lines.draw("one", "two")
    lines.clear()
    terminal.write("after\n")
    assert terminal.seen == "before\nafter\n"
    lines.clear()
    assert terminal.seen == "before\nafter\n"


def test_a_line_never_fills_the_terminal_because_the_next_drawing_would_miss_it(terminal):
    TerminalLines(terminal).draw("x" * 30, "y" * 30)
    assert terminal.seen == "x" * 19 + "\n" + "y" * 19


@pytest.mark.parametrize("name", ["dumb", None])
def test_a_terminal_that_can_not_move_its_cursor_up_gets_the_first_line(
    terminal, monkeypatch, name
):
    monkeypatch.delenv("TERM")
    if name:
        monkeypatch.setenv("TERM", name)
    lines = TerminalLines(terminal)
    lines.draw("first", "second")
    lines.draw("third", "fourth")
    assert terminal.getvalue() == "\rfirst\rthird"


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
    assert [(event["done"], event["has_ended"]) for event in read_events(capsys)] == [(1, False)]


def test_a_terminal_shows_a_line_that_goes_when_the_work_is_done(
    in_a_log, clock, monkeypatch, capsys
):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "80")
    with Progress("train span", 10, "windows") as bar:
        bar.enter("epoch 1/2")
        clock.now += 10
        bar.advance(5, loss=0.25)
    shown = terminal.getvalue()
    assert "\n" not in shown
    first, second, *_, last = shown.split("\r")[1:]
    assert " ".join(first.split()) == (
        "train span ░░░░░░░░░░ 0% epoch 1/2, 0:00 elapsed, 0/10 windows"
    )
    words = "train span █████░░░░░ 50% epoch 1/2, 0:10 elapsed, about 0:10 left, loss 0.25"
    assert " ".join(second.split()) == words
    assert last.strip() == ""


def test_the_end_of_long_work_stays_on_a_terminal(in_a_log, clock, monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress("predict    span", 68, "windows") as bar:
        clock.now += 16
        bar.advance(68)
    assert terminal.getvalue().split("\r")[-1] == "predict    span: 68/68 windows in 16 s\n"


def test_a_launcher_is_told_even_on_a_terminal(under_a_launcher, monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress("train span", 10, "windows") as bar:
        bar.advance(10)
    assert terminal.getvalue() == ""
    assert len(read_events(capsys)) == 1
