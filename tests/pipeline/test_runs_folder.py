"""One race at a time in a folder of runs, and what races leave there and beside it."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from squadron.runs_folder import race_use
from squadron.runs_folder.runs_lock import find_holder, hold
from tests.limits import PATIENCE_SECONDS
from tests.pipeline.tiny_race import client, command, run, runs_of, write_experiment

pytestmark = pytest.mark.slow
STEPS = 10
"""Of a race with one contender, open_race and close_race included."""


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], list[str]]:
    """One race, started twice at the same time: its folder, and what the two starts showed."""
    folder = tmp_path_factory.mktemp("twice")
    write_experiment(folder, ["pretrained"], epochs=1)
    (folder / "temporary").mkdir()
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    with hold(folder / "runs", "the test"):
        started = [
            subprocess.Popen(
                command(folder), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=environment | {"TMPDIR": str(folder / "temporary")}, text=True,
            )
            for _ in range(2)
        ]  # fmt: skip
        waiting = [process.stderr.readline() for process in started]
    ended = [process.communicate(timeout=PATIENCE_SECONDS) for process in started]
    for process, (shown, errors) in zip(started, ended, strict=True):
        assert process.returncode == 0, shown + errors
    return folder, waiting, [shown for shown, _ in ended]


def test_whoever_starts_while_a_race_runs_is_told_and_waits(twice):
    folder, waiting, _ = twice
    for line in waiting:
        assert f"{folder / 'runs'} is in use by the test (process {os.getpid()}, since 20" in line
        assert "Ctrl-C" in line
    assert find_holder(folder / "runs") == ""


def test_the_same_race_started_twice_at_once_runs_once_and_then_comes_from_the_cache(twice):
    folder, _, shown = twice
    assert all("Winner: pretrained" in each for each in shown)
    parent, child = sorted(
        runs_of(folder).values(), key=lambda each: each.data.tags["squadron.contender"]
    )
    assert (parent.info.status, child.info.status) == ("FINISHED", "FINISHED")
    assert len(client(folder).search_model_versions("name = 'squadron-tiny'")) == 1
    log = (folder / "runs" / "pipeline.log").read_text()
    assert log.count("Executing task") == STEPS + 2


def test_steps_leave_nothing_where_temporary_files_go(twice):
    folder, _, _ = twice
    assert list((folder / "temporary").iterdir()) == []
    assert list((folder / "runs" / "tmp").iterdir()) == []


def test_a_race_remembers_which_entries_of_the_cache_it_used(twice):
    folder, _, _ = twice
    (use,) = race_use.read_uses(folder / "runs")
    assert (use.name, use.finished) == ("tiny", True)
    cached = {path.stem for path in (folder / "runs" / "cache").glob("*.json")}
    assert len(use.entries) == STEPS - 2
    assert set(use.entries) == cached


def test_after_cleaning_the_same_race_still_comes_from_the_cache(twice):
    folder, _, _ = twice
    runs = folder / "runs"
    stale = runs / "pipeline" / "squadron-earlier" / "train" / "model"
    stale.mkdir(parents=True)
    outputs = sorted(path.parent for path in (runs / "pipeline").glob("*/*/executor_output.json"))
    cleaning = [sys.executable, "-m", "squadron", "clean", "--yes"]
    cleaned = subprocess.run(cleaning, cwd=folder, capture_output=True, text=True)
    assert cleaned.returncode == 0, cleaned.stderr
    assert not stale.exists()
    # Nobody finds again what opens and closes a race.
    gone = {path.name for path in outputs if not path.exists()}
    assert {"open-race", "close-race"} <= gone
    assert "ingest" not in gone
    log = runs / "pipeline.log"
    before = log.read_text().count("Executing task")
    again = run(folder)
    assert again.returncode == 0, again.stderr
    assert log.read_text().count("Executing task") == before + 2


def test_a_race_that_waits_can_be_left(twice):
    folder, _, _ = twice
    with hold(folder / "runs", "the test"):
        process = subprocess.Popen(
            command(folder), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            # A shell that runs the tests in the background has its children ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip
        assert "Ctrl-C" in process.stderr.readline()
        process.send_signal(signal.SIGINT)
        shown, errors = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130
    assert shown == ""
    assert re.fullmatch("Nothing was started.*\n", errors)


def test_a_refused_race_leaves_no_results_folder_and_nothing_that_clean_keeps(tmp_path):
    write_experiment(tmp_path, ["pretrained"], epochs=1)
    (tmp_path / "not.json").write_text("not json")
    done = run(tmp_path, "--set", "data.train=not.json")
    assert done.returncode == 2, done.stderr + done.stdout
    assert not (tmp_path / "results").exists()
    (use,) = race_use.read_uses(tmp_path / "runs")
    assert (use.finished, use.entries) == (False, ())
