"""Checks what targets of the Makefile say, install and run."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def dry_run(folder, *arguments):
    """What make would run in a folder with the results of a race."""
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    (folder / "runs").mkdir()
    (folder / "runs" / "mlflow.db").touch()
    return subprocess.run(
        ["make", "--dry-run", *arguments], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (["bench"], "make bench needs DATA=FOLDER; '' is no folder"),
        (["bench", "DATA=nowhere"], "make bench needs DATA=FOLDER; 'nowhere' is no folder"),
        (["ui"], "There is no runs/mlflow.db yet: make run"),
    ],
)
def test_what_is_missing_is_said_before_anything_is_installed(tmp_path, target, said):
    shutil.copy(ROOT / "Makefile", tmp_path)
    # An interpreter that records each call.
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n')
    python.chmod(0o755)
    done = subprocess.run(
        ["make", f"PYTHON={python}", *target], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert said in done.stdout
    assert not (tmp_path / "calls").exists()
    assert not (tmp_path / ".venv").exists()


@pytest.mark.parametrize(
    ("target", "needed"),
    [
        (["bench", "DATA=."], ".venv/dev"),
        (["ui"], ".venv/ui"),
        (["serve"], ".venv/serve"),
    ],
)
def test_what_is_needed_is_installed_where_nothing_is_missing(tmp_path, target, needed):
    shown = dry_run(tmp_path, *target)
    # make runs the recipe of a line with $(MAKE) also in a dry run, so this lists what it installs.
    assert "pip install" in shown
    assert f"touch {needed}" in shown


@pytest.mark.parametrize(
    ("target", "marks", "workers"),
    [
        (["test"], "not gpu", 3),
        (["test-fast"], "not slow and not gpu", 2),
        (["test", "WORKERS=5"], "not gpu", 5),
        (["test-fast", "WORKERS=5"], "not slow and not gpu", 5),
    ],
)
def test_tests_run_in_as_many_workers_as_said(tmp_path, target, marks, workers):
    shown = dry_run(tmp_path, *target)
    (line,) = [line for line in shown.splitlines() if "-m pytest" in line]
    assert f'-m pytest -m "{marks}"' in line
    assert f"-n {workers} --dist loadfile --no-loadscope-reorder" in line
    # Python keeps compiled modules whatever the environment says.
    command = line.removeprefix("SQUADRON_DRAWS_SHARE=0.2 ")
    assert command.startswith("env -u PYTHONDONTWRITEBYTECODE OMP_NUM_THREADS=1 ")
    # All examples of the properties are drawn in the whole suite.
    assert (command != line) == (target[0] == "test-fast")


@pytest.mark.parametrize("experiment", ["", "experiments/mine.yaml"])
def test_the_example_race_ends_with_a_question_and_its_answer(tmp_path, experiment):
    shown = dry_run(tmp_path, "run", *([f"EXPERIMENT={experiment}"] if experiment else []))
    assert f"pipeline.py run {experiment or 'experiments/example.yaml'}" in shown
    assert ("squadron ask --context examples/moon_landing.txt" in shown) == (not experiment)


@pytest.mark.parametrize(
    ("target", "commands"),
    [
        (["serve"], ["squadron serve --port 8080"]),
        (
            ["serve", "PORT=9000", "MODEL=models:/a@staging"],
            ['squadron serve --port 9000 --model "models:/a@staging"'],
        ),
        (["ui"], ["--workers 1 --port 5000", "http://127.0.0.1:5000/#/experiments"]),
        (["ui", "PORT=9000"], ["--workers 1 --port 9000", "http://127.0.0.1:9000/#/experiments"]),
    ],
)
def test_a_server_has_a_port_of_its_own_unless_one_is_given(tmp_path, target, commands):
    shown = dry_run(tmp_path, *target)
    assert [command for command in commands if command not in shown] == []
