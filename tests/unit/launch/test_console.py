"""Tests what a person sees of a local race, with lines as kfp.local and the steps print them.

The lines of kfp are those of kfp/local/task_dispatcher.py and of
kfp/local/orchestrator/task_executor.py (2.17.0).
"""

import io
import json
import logging
import os
import subprocess
import sys
import threading
from dataclasses import asdict
from pathlib import Path

import pytest

from launch import programs
from launch.console import Console, wrap_line
from squadron import tracking
from squadron.config import Contender
from squadron.progress import EVENT_PREFIX, State
from squadron.runs_folder.step_notes import StepNote
from squadron.tracking import DEFAULT_FOLDER
from tests.limits import PATIENCE_SECONDS
from tests.screens import Terminal

CYAN, RESET = "\033[96m", "\033[0m"
RESULT = json.loads(
    (Path(__file__).resolve().parents[2] / "fixtures" / "race_result.json").read_text()
)
INGEST = (
    "ingest     540 examples: train 32 of 400 (data.max_train_examples), tune 60, select 48, "
    "test 32"
)
NEXT = """
Next:
  squadron ask --model squadron-example --context FILE_OR_TEXT "your question"
  squadron promote 3 --model squadron-example --to staging
  make ui
"""


class Clock:
    """Time as the test sets it."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def runs(step):
    return f"12:00:00.123 - INFO - Executing task {CYAN}'{step}'{RESET}\n"


def is_cached(step):
    return f"12:00:00.123 - INFO - Task {step} cache hit (key=0123456789ab); skipping execution.\n"


def event(kind, **about):
    return f"    {EVENT_PREFIX}{json.dumps({'kind': kind, **about})}\n"


def progress(title, done, total, **about):
    return event("progress", **asdict(State(title, total, "windows", done, **about)))


@pytest.fixture(autouse=True)
def known_commands(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("launch.console.squadron_command", lambda: "squadron")
    monkeypatch.setattr("launch.console.pages_command", lambda: "make ui")


TICK = object()
TWO = (Contender("span"), Contender("pretrained"))


def show(screen, *lines, contenders=TWO):
    """Returns what a person sees in the end.

    A number among the lines lets so many seconds pass. TICK is the second that passes by itself.
    """
    log, clock = io.StringIO(), Clock()
    console = Console(log, screen, contenders, clock)
    for line in lines:
        if isinstance(line, str):
            console.write(line)
        elif isinstance(line, StepNote):
            console.expect_cached(line)
        elif line is TICK:
            console.tick()
        else:
            clock.now += line
    console.close()
    assert log.getvalue() == "".join(line for line in lines if isinstance(line, str))
    return screen.seen if isinstance(screen, Terminal) else screen.getvalue()


FROM_CACHE = [
    runs("open-race"),
    is_cached("ingest"),
    is_cached("admit"),
    *[is_cached(step) for _ in range(2) for step in ("featurize", "train", "predict", "evaluate")],
    is_cached("register"),
    is_cached("report"),
    runs("close-race"),
]
TOLD = """\
from cache ingest, admit
from cache span: featurize, train, predict, evaluate
from cache pretrained: featurize, train, predict, evaluate
from cache register, report
"""


@pytest.mark.parametrize("screen", [Terminal, io.StringIO])
def test_a_race_from_the_cache_says_what_came_from_it_and_where_the_report_is(screen):
    table = event("table", result=RESULT, report="file:///races/report.html")
    shown = show(screen(), *FROM_CACHE, table)
    assert shown.startswith(TOLD)
    assert "Report: file:///races/report.html\n\nseconds " in shown
    assert shown.endswith(f"This run took 0.0 s.\n{NEXT}")
    assert max(map(len, shown.splitlines())) <= 80


def test_steps_that_run_and_steps_from_the_cache_are_told_apart_by_contender():
    lines = [
        runs("open-race"),
        is_cached("ingest"),
        runs("admit"),
        *[is_cached(step) for step in ("featurize", "train")],
        runs("predict"),
        runs("evaluate"),
        event("line", text="evaluate   span: EM 50.00, F1 60.00 on select", exact_match=50.0),
        runs("featurize"),
        is_cached("train"),
        is_cached("predict"),
    ]
    assert show(io.StringIO(), *lines).splitlines() == [
        "from cache ingest",
        "from cache span: featurize, train",
        "evaluate   span: EM 50.00, F1 60.00 on select, best so far",
        "race       step 7 of 14, 0:00 elapsed, best EM 50.00 (span)",
        "from cache pretrained: train, predict",
    ]


def test_what_kfp_logs_of_its_cache_is_heard_between_its_tasks(capsys):
    """kfp logs a cache hit outside its own logging context."""
    from kfp.local.logging_utils import format_task_name, local_logger_context

    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    log, screen = io.StringIO(), io.StringIO()
    console = Console(log, screen, [Contender("span")])
    with console.capture():
        with local_logger_context():
            logging.info(f"Executing task {format_task_name('open-race')}")
        logging.info("Task ingest cache hit (key=0123456789ab); skipping execution.")
        with local_logger_context():
            logging.info(f"Executing task {format_task_name('admit')}")
        logging.info("Task featurize cache hit (key=0123456789ab); skipping execution.")
        sys.stdout.write("a line of a task\n")
    console.close()
    assert (root.level, list(root.handlers)) == before
    assert screen.getvalue() == "from cache ingest\nfrom cache span: featurize\n"
    assert log.getvalue().count("INFO") == 4
    assert "a line of a task\n" in log.getvalue()
    assert capsys.readouterr() == ("", "")


STEPS = [
    runs("open-race"),
    runs("ingest"),
    event("line", text=INGEST),
    runs("featurize"),
    2,
    runs("train"),
    3,
    TICK,
    progress("train      span", 0, 960, stage="epoch 1/2"),
    65,
    progress("train      span", 320, 960, stage="epoch 1/2", seconds=65.0, figures={"loss": 1.234}),
    14,
    progress("train      span", 480, 960, stage="epoch 1/2", seconds=79.0, figures={"loss": 1.1}),
    51,
    progress("train      span", 640, 960, stage="epoch 2/2", seconds=130.0, figures={"loss": 0.9}),
    65,
    progress("train      span", 960, 960, seconds=195.0, figures={"tune EM": 50.0}, has_ended=True),
    3,
    runs("predict"),
    2,
    progress("predict    span", 10, 68, seconds=1.5),
    7,
    progress("predict    span", 40, 68, seconds=8.0),
    4,
    progress("predict    span", 68, 68, seconds=12.0, has_ended=True),
    runs("evaluate"),
    31,
    TICK,
]


def test_a_log_shows_epochs_times_and_the_end_of_every_step_and_what_is_left_of_the_race():
    assert show(io.StringIO(), *STEPS).splitlines() == [
        INGEST,
        "train      span: epoch 1/2, 320/960 windows, 1:05 of about 3:15, 2:10 left, loss 1.234. "
        "Race: step 4 of 14, 1:10 elapsed, about 2:10 or more left",
        "train      span: epoch 2/2, 640/960 windows, 2:10 of about 3:15, 1:05 left, loss 0.9. "
        "Race: step 4 of 14, 2:15 elapsed, about 1:10 or more left",
        "train      span: 960/960 windows in 3 min 15 s, tune EM 50",
        "predict    span: 68/68 windows in 12 s",
        "evaluate   span: choosing and scoring answers, 0:31 elapsed. "
        "Race: step 6 of 14, 4:07 elapsed, about 0:20 or more left",
    ]


def test_a_log_has_no_control_characters_and_a_line_of_one_step_every_15_seconds_at_most():
    many = [
        part
        for done in range(1, 400)
        for part in (0.3, progress("train      span", done, 400, seconds=0.3 * done))
    ]
    shown = show(io.StringIO(), runs("featurize"), runs("train"), *many)
    assert all(character.isprintable() for character in shown.replace("\n", ""))
    assert len(shown.splitlines()) == 7  # 399 * 0.3 s = 119.7 s


def test_a_terminal_of_80_columns_keeps_the_ends_and_draws_the_rest():
    terminal = Terminal()
    assert show(terminal, *STEPS).splitlines() == [
        "ingest     540 examples: train 32 of 400 (data.max_train_examples), tune 60,",
        "           select 48, test 32",
        "train      span: 960/960 windows in 3 min 15 s, tune EM 50",
        "predict    span: 68/68 windows in 12 s",
    ]
    drawn = terminal.drawn
    assert "train      span: loading the network, 0:03 elapsed" in drawn
    assert "train      span ███░░░░░░░  33% epoch 1/2, about 2:10 left, loss 1.234" in drawn
    assert "predict    span █████░░░░░  59% 0:08 elapsed, about 0:06 left, 40/68 windows" in drawn
    assert "evaluate   span: choosing and scoring answers, 0:31 elapsed" in drawn
    assert "race       ░░░░░░░░░░ step 2 of 14, 0:00 elapsed" in drawn
    assert "race       ██░░░░░░░░ step 4 of 14, 0:05 elapsed" in drawn
    assert "race       ██░░░░░░░░ step 4 of 14, 1:10 elapsed, about 2:10 or more left" in drawn
    assert max(map(len, drawn)) < 81


def test_a_terminal_says_what_a_step_does_before_it_has_any_progress_and_since_when():
    terminal = Terminal()
    show(terminal, runs("ingest"), 2, TICK, runs("featurize"), 1, TICK, runs("train"), 75, TICK)
    assert [line for line in terminal.drawn if not line.startswith("race")] == [
        "ingest     reading the data, 0:00 elapsed",
        "ingest     reading the data, 0:02 elapsed",
        "featurize  span: cutting texts into windows, 0:00 elapsed",
        "featurize  span: cutting texts into windows, 0:01 elapsed",
        "train      span: loading the network, 0:00 elapsed",
        "train      span: loading the network, 1:15 elapsed",
    ]
    assert terminal.seen.strip() == ""


def judged(label, exact_match):
    text = f"evaluate   {label}: EM {exact_match:.2f}, F1 60.00 on select"
    return event("line", text=text, exact_match=exact_match)


def of_one(*, evaluate):
    """Returns the lines of all steps of a contender."""
    return [runs("featurize"), runs("train"), runs("predict"), runs("evaluate"), evaluate]


def test_each_contender_is_told_with_its_em_and_whether_it_leads():
    three = (Contender("span"), Contender("crf"), Contender("lora"), Contender("pretrained"))
    ems = [50.0, 25.0, 62.5, 62.5]
    lines = [
        line
        for each, em in zip(three, ems, strict=True)
        for line in of_one(evaluate=judged(each.label, em))
    ]
    terminal = Terminal()
    assert show(terminal, *lines, runs("register"), contenders=three).splitlines() == [
        "evaluate   span: EM 50.00, F1 60.00 on select, best so far",
        "evaluate   crf: EM 25.00, F1 60.00 on select",
        "evaluate   lora: EM 62.50, F1 60.00 on select, best so far",
        "evaluate   pretrained: EM 62.50, F1 60.00 on select, level with lora, the best",
        "           so far",
    ]
    later = "race       ███░░░░░░░ step 8 of 22, 0:00 elapsed, best EM 50.00 (span)"
    assert later in terminal.drawn
    assert terminal.drawn[-1].endswith("step 17 of 22, 0:00 elapsed, best EM 62.50 (lora)")


def test_a_contender_from_the_cache_counts_for_the_best_so_far():
    cached = [
        line
        for step in ("featurize", "train", "predict")
        for line in (StepNote(4.0), is_cached(step))
    ]
    known = StepNote(3.0, exact_match=70.0)
    lines = [*cached, known, is_cached("evaluate"), *of_one(evaluate=judged("pretrained", 60.0))]
    assert show(io.StringIO(), *lines).splitlines() == [
        "from cache span: featurize, train, predict, evaluate (EM 70.00, best so far)",
        "evaluate   pretrained: EM 60.00, F1 60.00 on select",
        "race       step 8 of 14, 0:00 elapsed, best EM 70.00 (span)",
    ]


def test_a_step_from_the_cache_does_not_get_what_is_known_of_another_one():
    lines = [StepNote(4.0, exact_match=70.0), is_cached("featurize"), is_cached("train")]
    table = event("table", result=RESULT, report="")
    shown = show(io.StringIO(), *lines, runs("close-race"), table)
    assert "\nspan           (4.0)         -         -         -       0.0\n" in shown


def test_the_seconds_of_all_steps_stand_below_the_table():
    lines = [runs("open-race"), 1.25, is_cached("ingest")]
    for step, seconds in (("featurize", 1), ("train", 1234.5), ("predict", 20), ("evaluate", 3)):
        lines += [runs(step), seconds]
    known = StepNote(1.0)
    lines += [known, is_cached("featurize"), runs("train"), 2, runs("close-race"), 0.5]
    shown = show(io.StringIO(), *lines, event("table", result=RESULT, report=""))
    assert shown.split("\n\n")[-2].splitlines() == [
        "seconds    featurize     train   predict  evaluate  this run",
        "span             1.0   1,234.5      20.0       3.0   1,258.5",
        "pretrained     (1.0)       2.0         -         -       2.0",
        "Other steps: open_race 1.2, ingest -.",
        "Brackets mark steps from the cache, which took this long when they ran.",
        "This run took 21 min 2 s.",
    ]


def test_nothing_is_shown_below_the_table():
    table = event("table", result=RESULT, report="")
    for screen in (Terminal(), io.StringIO()):
        shown = show(screen, runs("close-race"), table, 20, TICK)
        assert shown.endswith(NEXT)
        assert "elapsed" not in shown


def test_the_time_goes_on_while_a_step_computes_without_a_word():
    terminal = Terminal()
    silent = [progress("train      span", 480, 960, seconds=60.0), 30, TICK]
    show(terminal, runs("featurize"), runs("train"), *silent)
    assert "train      span █████░░░░░  50% 1:30 elapsed, about 1:30 left, 480/960 windows" in (
        terminal.drawn
    )


def test_steps_outside_of_a_race_have_no_line_of_the_race():
    terminal = Terminal()
    show(terminal, event("line", text=INGEST), 20, TICK, contenders=())
    assert not any("race" in line for line in terminal.drawn)
    table = event("table", result=RESULT, report="")
    assert "This run" not in show(io.StringIO(), table, contenders=())


def test_after_a_failure_nothing_is_drawn_below_the_lines():
    terminal = Terminal()
    failed = event("error", step="train", text="no file", is_input=True)
    show(terminal, runs("train"), failed, runs("close-race"), 20, TICK)
    assert not any("close_race" in line for line in terminal.drawn)
    assert terminal.seen.strip() == ""


def test_a_terminal_that_can_not_move_its_cursor_gets_the_line_of_the_race_now_and_then(
    monkeypatch,
):
    monkeypatch.setenv("TERM", "dumb")
    terminal = Terminal()
    show(terminal, *of_one(evaluate=judged("span", 50.0)))
    assert "\x1b" not in terminal.getvalue()
    assert "race       step 4 of 14, 0:00 elapsed, best EM 50.00 (span)" in terminal.seen


def test_the_lines_are_drawn_again_while_a_step_says_nothing(monkeypatch):
    monkeypatch.setattr("launch.console._SECONDS_BETWEEN_DRAWINGS", 0.001)
    terminal = Terminal()
    console = Console(io.StringIO(), terminal, TWO)
    drawn = threading.Event()
    tick = console.tick
    monkeypatch.setattr(console, "tick", lambda: (tick(), drawn.set()))
    before = threading.active_count()
    with console.capture():
        console.write(runs("train"))
        drawn.clear()
        assert drawn.wait(PATIENCE_SECONDS)
    assert threading.active_count() == before
    console.close()
    assert terminal.seen.strip() == ""


def test_the_first_failure_is_kept_for_the_end():
    console = Console(io.StringIO(), io.StringIO())
    console.write(event("error", step="train", text="no file", is_input=True))
    console.write(event("error", step="close_race", text="no parent", is_input=False))
    assert console.failure == ("train", "no file", True)


@pytest.mark.parametrize("width", [80, 100])
def test_lines_break_between_words_but_commands_paths_and_figures_stay_whole(width):
    sentence = "Too small to rank: chance alone could put it ahead of pretrained by 37.93 points. "
    broken = wrap_line(sentence * 2, width).split("\n")
    assert max(map(len, broken)) <= width
    assert " ".join(broken).split() == (sentence * 2).split()
    path = "report     file:///" + "a" * 90 + "/report.html"
    assert path.split()[1] in wrap_line(path, width).split()
    command = f'  squadron ask --model {"m" * 90} --context FILE_OR_TEXT "your question"'
    assert wrap_line(command, width) == command


# What can be run next.


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Returns a working folder with an installation in .venv, which the PATH does not find."""
    folder = tmp_path / ".venv" / "bin"
    folder.mkdir(parents=True)
    for name in ("python", "squadron", "mlflow"):
        (folder / name).write_text("#!/bin/sh\necho ran\n")
        (folder / name).chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setenv("PATH", os.defpath)
    return folder


def test_a_command_that_the_path_does_not_find_is_shown_by_its_path(installed, monkeypatch):
    shown = programs.squadron_command()
    assert shown == ".venv/bin/squadron"
    ran = subprocess.run(["sh", "-c", shown], capture_output=True, text=True, check=True)
    assert ran.stdout == "ran\n"
    elsewhere = installed.parents[1] / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert programs.squadron_command() == str(installed / "squadron")


def test_a_command_on_the_path_is_shown_by_its_name_unless_it_is_another_one(
    installed, tmp_path, monkeypatch
):
    monkeypatch.setenv("PATH", f"{installed}{os.pathsep}{os.defpath}")
    assert programs.squadron_command() == "squadron"
    other = tmp_path / "other"
    other.mkdir()
    (other / "squadron").write_text("#!/bin/sh\n")
    (other / "squadron").chmod(0o755)
    monkeypatch.setenv("PATH", f"{other}{os.pathsep}{installed}")
    assert programs.squadron_command() == ".venv/bin/squadron"


def test_without_a_command_the_module_is_run_by_this_interpreter(installed, monkeypatch):
    (installed / "squadron").unlink()
    assert programs.squadron_command() == ".venv/bin/python -m squadron"
    monkeypatch.setenv("PATH", str(installed))
    assert programs.squadron_command() == "python -m squadron"


def test_the_pages_are_those_of_the_store_in_use(installed, tmp_path, monkeypatch):
    default = f"sqlite:///{(DEFAULT_FOLDER / 'mlflow.db').resolve()}"
    monkeypatch.setenv(tracking.URI_VARIABLE, default)
    own = f".venv/bin/mlflow server --backend-store-uri {default}"
    assert programs.pages_command() == own
    (tmp_path / "Makefile").write_text("run:\n\ttrue\nui: run\n\ttrue\n")
    assert programs.pages_command() == "make ui"
    monkeypatch.setenv(tracking.URI_VARIABLE, "sqlite:////races/other.db")
    assert programs.pages_command().endswith("--backend-store-uri sqlite:////races/other.db")
    monkeypatch.setenv(tracking.URI_VARIABLE, "http://ada:secret@mlflow:5000")
    assert programs.pages_command().startswith("http://")
    assert "secret" not in programs.pages_command()
