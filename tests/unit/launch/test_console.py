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
from dataclasses import asdict
from pathlib import Path

import pytest

from launch import programs
from launch.console import Console, wrap_line
from squadron import tracking
from squadron.progress import EVENT_PREFIX, State
from squadron.tracking import DEFAULT_FOLDER

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


class Terminal(io.StringIO):
    """A terminal that keeps what a person sees in the end, without lines that were drawn over."""

    def isatty(self):
        return True

    @property
    def seen(self):
        lines = []
        for line in self.getvalue().split("\n"):
            cells = ""
            for part in line.split("\r"):
                cells = part + cells[len(part) :]
            lines.append(cells.rstrip())
        return "\n".join(lines)


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
    monkeypatch.setattr("launch.console.squadron_command", lambda: "squadron")
    monkeypatch.setattr("launch.console.pages_command", lambda: "make ui")


def show(screen, *lines, labels=("span", "pretrained")):
    log = io.StringIO()
    console = Console(log, screen, labels)
    for line in lines:
        console.write(line)
    console.close()
    assert log.getvalue() == "".join(lines)
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
    assert shown.endswith(f"Report: file:///races/report.html\n{NEXT}")
    assert max(map(len, shown.splitlines())) <= 80


def test_steps_that_run_and_steps_from_the_cache_are_told_apart_by_contender():
    lines = [
        runs("open-race"),
        is_cached("ingest"),
        runs("admit"),
        *[is_cached(step) for step in ("featurize", "train")],
        runs("predict"),
        runs("evaluate"),
        event("line", text="evaluate   span: EM 50.00, F1 60.00 on select"),
        runs("featurize"),
        is_cached("train"),
        is_cached("predict"),
    ]
    assert show(io.StringIO(), *lines).splitlines() == [
        "from cache ingest",
        "from cache span: featurize, train",
        "evaluate   span: EM 50.00, F1 60.00 on select",
        "from cache pretrained: train, predict",
    ]


def test_what_kfp_logs_of_its_cache_is_heard_between_its_tasks(capsys):
    """kfp logs a cache hit outside its own logging context."""
    from kfp.local.logging_utils import format_task_name, local_logger_context

    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    log, screen = io.StringIO(), io.StringIO()
    console = Console(log, screen, ["span"])
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
    runs("train"),
    progress("train      span", 0, 960, stage="epoch 1/2"),
    progress("train      span", 320, 960, stage="epoch 1/2", seconds=65.0, figures={"loss": 1.234}),
    progress("train      span", 480, 960, stage="epoch 1/2", seconds=79.0, figures={"loss": 1.1}),
    progress("train      span", 640, 960, stage="epoch 2/2", seconds=130.0, figures={"loss": 0.9}),
    progress("train      span", 960, 960, seconds=195.0, figures={"tune EM": 50.0}, has_ended=True),
    runs("predict"),
    progress("predict    span", 10, 68, seconds=1.5),
    progress("predict    span", 40, 68, seconds=8.0),
    progress("predict    span", 68, 68, seconds=12.0, has_ended=True),
]


def test_a_log_shows_epochs_times_and_the_end_of_every_step():
    assert show(io.StringIO(), *STEPS).splitlines() == [
        INGEST,
        "train      span: epoch 1/2, 320/960 windows, 1:05 of about 3:15, 2:10 left, loss 1.234",
        "train      span: epoch 2/2, 640/960 windows, 2:10 of about 3:15, 1:05 left, loss 0.9",
        "train      span: 960/960 windows in 3 min 15 s, tune EM 50",
        "predict    span: 68/68 windows in 12 s",
    ]


def test_a_terminal_of_80_columns_keeps_the_ends_and_draws_the_rest():
    terminal = Terminal()
    assert show(terminal, *STEPS).splitlines() == [
        "ingest     540 examples: train 32 of 400 (data.max_train_examples), tune 60,",
        "           select 48, test 32",
        "train      span: 960/960 windows in 3 min 15 s, tune EM 50",
        "predict    span: 68/68 windows in 12 s",
    ]
    drawn = [part.rstrip() for part in terminal.getvalue().replace("\n", "\r").split("\r")]
    assert "train      span ..." in drawn
    assert "train      span  33% epoch 1/2, 1:05 of about 3:15, 2:10 left, loss 1.234" in drawn
    assert "predict    span █████░░░░░  59% 0:08 of about 0:14, 0:06 left, 40/68 windows" in drawn
    assert max(map(len, drawn)) < 81


def test_a_terminal_says_which_step_is_under_way_before_it_has_any_progress():
    terminal = Terminal()
    show(terminal, runs("featurize"), runs("train"))
    drawn = [part.rstrip() for part in terminal.getvalue().split("\r")]
    assert [part for part in drawn if part] == ["featurize  span ...", "train      span ..."]
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
