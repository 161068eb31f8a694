"""The lock of runs/: held by one process at a time, told to others, and gone with its process."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from squadron.errors import InputError
from squadron.runs_folder.runs_lock import LOCK, find_holder, hold
from tests.limits import PATIENCE_SECONDS

# A child that inherits nothing but its output outlives the holder.
HOLDER = """
import pathlib, subprocess, sys
from squadron.runs_folder.runs_lock import hold
with hold(pathlib.Path(sys.argv[1]), "the race killed/0123"):
    child = subprocess.Popen(["sleep", "3600"], stdout=subprocess.DEVNULL)
    print(child.pid, flush=True)
    child.wait()
"""


def test_the_second_is_refused_with_the_name_of_the_first(tmp_path):
    runs = tmp_path / "runs"
    with hold(runs, "the race tiny/0123") as lock:
        with pytest.raises(InputError) as caught, hold(runs, "the race other/4567"):
            pass
        shown = str(caught.value)
        assert f"{runs} is in use by the race tiny/0123 (process {os.getpid()}, since 20" in shown
        lock.describe("the race renamed/89ab")
        assert find_holder(runs).startswith("the race renamed/89ab (process ")
    assert find_holder(runs) == ""


def test_the_second_waits_after_it_was_told_who_holds_the_lock(tmp_path):
    told, done = [], []

    def second():
        with hold(tmp_path, "the second", told.append):
            done.append(find_holder(tmp_path))

    with hold(tmp_path, "the first"):
        thread = threading.Thread(target=second)
        thread.start()
        while not told:
            thread.join(0.01)
        assert told[0].startswith("the first (process ")
        assert not done
    thread.join(PATIENCE_SECONDS)
    assert done[0].startswith("the second (process ")


def test_the_lock_of_a_killed_process_is_free_also_while_its_children_live(tmp_path):
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        child = int(holder.stdout.readline())
        try:
            assert find_holder(tmp_path).startswith(f"the race killed/0123 (process {holder.pid}")
            holder.kill()
            holder.wait(PATIENCE_SECONDS)
            os.kill(child, 0)  # It is still there.
            assert find_holder(tmp_path) == ""
            with hold(tmp_path, "the next race"):
                assert find_holder(tmp_path).startswith("the next race")
        finally:
            os.kill(child, signal.SIGKILL)


def test_asking_for_the_holder_creates_nothing(tmp_path):
    assert find_holder(tmp_path / "runs") == find_holder(tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


def test_a_holder_that_wrote_no_name_is_another_process(tmp_path):
    with hold(tmp_path, "the first"):
        (tmp_path / LOCK).write_text('{"what": "th')
        assert find_holder(tmp_path) == "another process"


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can't be written"), hold(tmp_path / "file", "a race"):
        pass
