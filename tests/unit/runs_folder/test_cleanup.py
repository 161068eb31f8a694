"""What `squadron clean` removes from a folder of runs, with kfp's own cache: no more, no less."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from kfp import dsl
from kfp.local.cache import LocalCache

from squadron.__main__ import main
from squadron.runs_folder.race_use import UseNotes
from squadron.runs_folder.runs_lock import hold

HOUR = 3600.0
ROOT = Path(__file__).resolve().parents[3]


class Runs:
    """A folder of runs as races leave it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "runs"
        self.folder.mkdir()
        for name in ("mlflow.db", "pipeline.log", "artifacts/tiny/models/m-1/model.safetensors"):
            self.write(name)
        self.always = self.files()
        self.cache = LocalCache(str(self.folder / "cache"))

    def write(self, name: str, text: str = "12345678") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def files(self) -> set[str]:
        found = (path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix() for path in found} - {".lock"}

    def task(self, run: str, task: str, output: str, key: str) -> None:
        """What a step leaves: its output, what kfp notes of it, and an entry of the cache."""
        place = self.folder / "pipeline" / run / task
        about = {"made_from": f"digest-{run}", "contender": {"label": "span"}}
        for name in (f"{output}/file", f"{output}/deeper/file", "executor_output.json"):
            self.write(f"pipeline/{run}/{task}/{name}")
        if output == "model":
            self.write(f"pipeline/{run}/{task}/model/variant.json", json.dumps(about))
        kind = dsl.Model if output == "model" else dsl.Dataset
        self.cache.put(key, {output: kind(name=output, uri=str(place / output))})

    def race(self, key: str, entries: list[str], name: str = "tiny", finished: bool = True) -> None:
        notes = UseNotes(self.folder, name, key)
        for entry in entries:
            notes.note(entry)
        if finished:
            notes.finish()

    def hits(self, *keys: str) -> list[str]:
        return [key for key in keys if self.cache.get(key) is not None]


LOOP = "for-loop-2-iteration-0"


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Two races: the second takes the examples of the first from the cache and trains anew."""
    monkeypatch.chdir(tmp_path)
    made = Runs(tmp_path)
    made.task("one", "ingest", "examples", "examples-1")
    made.task("one", f"{LOOP}/train", "model", "model-1")
    made.race("0123", ["examples-1", "model-1"])
    made.task("two", f"{LOOP}/train", "model", "model-2")
    made.race("4567", ["examples-1", "model-2"])
    made.needed = {
        "pipeline/one/ingest/examples/file",
        "pipeline/one/ingest/examples/deeper/file",
        "pipeline/one/ingest/executor_output.json",
        f"pipeline/two/{LOOP}/train/model/file",
        f"pipeline/two/{LOOP}/train/model/deeper/file",
        f"pipeline/two/{LOOP}/train/model/variant.json",
        f"pipeline/two/{LOOP}/train/executor_output.json",
        "cache/examples-1.json",
        "cache/model-2.json",
        "races/tiny-4567.json",
    }
    return made


def test_without_yes_it_says_what_can_go_and_changes_nothing(runs, capsys):
    before = runs.files()
    assert main(["clean"]) == 0
    shown = capsys.readouterr().out
    assert "outputs of steps that no kept race uses" in shown
    assert "tiny-4567" in shown
    assert "Nothing was removed. To remove it: squadron clean --yes" in shown
    assert runs.files() == before
    assert not (runs.folder / ".lock").exists()
    assert max(map(len, shown.replace(str(runs.folder), "runs").splitlines())) <= 80


def test_the_last_race_stays_in_the_cache_and_nothing_else_of_the_steps(runs, capsys):
    assert main(["clean", "--yes"]) == 0
    assert runs.files() == runs.always | runs.needed
    assert runs.hits("examples-1", "model-1", "model-2") == ["examples-1", "model-2"]
    # No folder without a file stays behind, such as that of the first training.
    assert not (runs.folder / "pipeline" / "one" / LOOP).exists()
    assert main(["clean"]) == 0
    assert "Nothing there can go." in capsys.readouterr().out


def test_keep_says_how_many_races_of_each_experiment_stay(runs):
    everything = runs.files()
    assert main(["clean", "--yes", "--keep", "2"]) == 0
    assert runs.files() == everything
    assert main(["clean", "--yes", "--keep", "0"]) == 0
    assert runs.files() == runs.always


def test_a_smaller_race_of_another_experiment_costs_nobody_its_cache(runs):
    runs.race("89ab", [], name="other")
    assert main(["clean", "--yes"]) == 0
    assert runs.files() == runs.always | runs.needed | {"races/other-89ab.json"}


def test_a_race_that_was_broken_off_keeps_its_outputs_and_checkpoints(runs):
    runs.write("checkpoints/span-digest-older/step-1/state.json")
    for path in (runs.folder / "checkpoints" / "span-digest-older").rglob("*"):
        os.utime(path, (HOUR, HOUR))
    os.utime(runs.folder / "checkpoints" / "span-digest-older", (HOUR, HOUR))
    runs.race("89ab", ["examples-1"], finished=False)
    runs.write("checkpoints/span-digest-two/step-1/state.json")  # that training ended
    runs.write("checkpoints/span-digest-three/step-1/state.json")
    waiting = runs.write("checkpoints/outbox/tiny-89ab/1.jsonl")
    assert main(["clean", "--yes"]) == 0
    left = {"checkpoints/span-digest-three/step-1/state.json", "races/tiny-89ab.json"}
    left.add(waiting.relative_to(runs.folder).as_posix())
    assert runs.files() == runs.always | runs.needed | left


def test_checkpoints_and_temporary_files_go_where_no_race_is_left_to_go_on(runs):
    runs.write("checkpoints/span-digest-three/step-1/state.json")
    runs.write("checkpoints/outbox/tiny-4567/1.jsonl")
    runs.write("tmp/tmp.Xyz/ephemeral_component.py")
    runs.write("tmp/backbone-0123/config.json")
    runs.write("workspace/file")
    runs.write("cache/.kfp_cache_1.tmp")
    assert main(["clean", "--yes"]) == 0
    assert runs.files() == runs.always | runs.needed | {"checkpoints/outbox/tiny-4567/1.jsonl"}


def test_a_link_out_of_the_folder_is_removed_and_not_followed(runs, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("precious")
    (runs.folder / "tmp").mkdir()
    (runs.folder / "tmp" / "link").symlink_to(tmp_path / "mine")
    assert main(["clean", "--yes"]) == 0
    assert (tmp_path / "mine" / "file").read_text() == "precious"
    assert not (runs.folder / "tmp" / "link").is_symlink()


def test_nothing_is_removed_while_a_race_runs(runs, capsys):
    before = runs.files()
    with hold(runs.folder, "the race tiny/0123"):
        assert main(["clean", "--yes"]) == 2
        assert "is in use by the race tiny/0123 (process " in capsys.readouterr().err
        assert main(["clean"]) == 0
        assert "It can only be removed when the race tiny/0123" in capsys.readouterr().out
    assert runs.files() == before


def test_without_a_folder_of_runs_there_is_one_sentence_and_no_new_folder(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main(["clean", "--yes"]) == 0
    assert capsys.readouterr().out == f"There is no folder {tmp_path / 'runs'}; nothing can go.\n"
    assert list(tmp_path.iterdir()) == []


def test_a_number_below_zero_is_refused(runs, capsys):
    assert main(["clean", "--keep", "-1"]) == 2
    assert "--keep: -1 is not allowed; 0 or more" in capsys.readouterr().err


def make_clean(folder: Path, *variables: str) -> str:
    tools = f"BIN={Path(sys.executable).parent}"
    command = ["make", "-f", str(ROOT / "Makefile"), "clean", tools, *variables]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_make_clean_says_what_can_go_and_removes_it_only_when_it_is_told_to(runs, tmp_path):
    cache = tmp_path / ".ruff_cache" / "file"
    cache.parent.mkdir()
    cache.write_text("x")
    before = runs.files()
    shown = make_clean(tmp_path)
    assert "outputs of steps that no kept race uses" in shown
    assert "The caches of tools hold" in shown
    assert "make clean YES=1" in shown
    assert cache.exists()
    assert runs.files() == before
    make_clean(tmp_path, "YES=1", "KEEP=2")
    assert not cache.exists()
    assert runs.files() == before
    make_clean(tmp_path, "YES=1")
    assert runs.files() == runs.always | runs.needed
