"""The outbox on a real disk, with a server that is a list in memory: order, kills, waiting."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from squadron.errors import InputError
from squadron.tracking import outbox
from squadron.tracking.outbox import (
    Outbox,
    close_outboxes,
    open_outbox,
    read_patience,
    wait_seconds,
)

LONG = 60.0


class Server:
    """Keeps what it is told; may be away, and refuses for ever what says so."""

    def __init__(self, is_away=False):
        self.got, self.is_away, self.broken = [], is_away, []
        self.calls = 0

    def deliver(self, entry):
        self.calls += 1
        if self.is_away:
            raise ConnectionError("nobody there")
        if entry.content in self.broken:
            raise RuntimeError("500")
        if entry.content == "poison":
            return ["poison is refused"]
        files = (
            {path.name: path.read_text() for path in Path(entry.files).iterdir()}
            if entry.files
            else None
        )
        self.got.append((entry.run, entry.kind, entry.content, *([files] if files else [])))
        return []

    def is_up(self):
        return not self.is_away


def quick(failures):
    return 0.001


def contents(server):
    return [each[2] for each in server.got]


def test_entries_arrive_in_order_and_leave_nothing_on_disk(tmp_path):
    server = Server()
    box = Outbox(tmp_path / "race", server)
    for number in range(50):
        box.put("span", "points", number)
    left = box.close(LONG)
    assert contents(server) == list(range(50))
    assert (left.count, left.refused) == (0, ())
    assert list(tmp_path.iterdir()) == []


def test_putting_does_not_wait_for_a_server_that_hangs(tmp_path):
    release = threading.Event()

    class Hanging(Server):
        def deliver(self, entry):
            assert release.wait(LONG)
            return super().deliver(entry)

    server = Hanging()
    box = Outbox(tmp_path, server)
    for number in range(20):
        box.put("span", "points", number)
    assert server.got == []  # all puts came back while the first call hangs
    release.set()
    assert box.close(LONG).count == 0
    assert contents(server) == list(range(20))


def test_what_could_not_be_sent_waits_on_disk_for_the_next_step(tmp_path):
    away = Server(is_away=True)
    files = tmp_path / "files"
    files.mkdir()
    (files / "a.txt").write_text("as it was")
    first = Outbox(tmp_path / "race", away, quick)
    first.put("span", "points", 1)
    first.put("span", "artifacts", {"place": "x"}, files)
    left = first.close(0.05)
    assert (left.count, left.folder) == (2, tmp_path / "race")
    (files / "a.txt").unlink()
    server = Server()
    second = Outbox(tmp_path / "race", server)
    second.put("span", "points", 2)
    assert second.close(LONG).count == 0
    assert server.got == [
        ("span", "points", 1),
        ("span", "artifacts", {"place": "x"}, {"a.txt": "as it was"}),
        ("span", "points", 2),
    ]
    assert not (tmp_path / "race").exists()


def test_a_server_that_comes_back_gets_everything_in_order(tmp_path):
    server = Server(is_away=True)
    box = Outbox(tmp_path, server, quick)
    for number in range(10):
        box.put("span", "points", number)
    while server.calls < 30:  # far more tries than an entry has that fails by itself
        threading.Event().wait(0.001)
    server.is_away = False
    left = box.close(LONG)
    assert (left.count, left.refused) == (0, ())
    assert contents(server) == list(range(10))


def test_a_refused_entry_is_set_aside_and_the_others_pass(tmp_path):
    server = Server()
    server.broken = ["breaks the server"]
    box = Outbox(tmp_path / "race", server, quick)
    for content in ("a", "poison", "b", "breaks the server", "c"):
        box.put("span", "points", content)
    left = box.close(LONG)
    assert contents(server) == ["a", "b", "c"]
    assert left.refused == ("poison is refused", "RuntimeError: 500")
    lines = (left.folder / outbox.REFUSED / "entries.jsonl").read_text().splitlines()
    assert [json.loads(line)["entry"]["content"] for line in lines] == [
        "poison",
        "breaks the server",
    ]
    assert not list(left.folder.glob("*.jsonl"))


def test_the_files_of_a_refused_entry_are_kept(tmp_path):
    files = tmp_path / "files"
    files.mkdir()
    (files / "a.txt").write_text("kept")
    box = Outbox(tmp_path / "race", Server())
    box.put("span", "artifacts", "poison", files)
    left = box.close(LONG)
    line = (left.folder / outbox.REFUSED / "entries.jsonl").read_text()
    assert (Path(json.loads(line)["entry"]["files"]) / "a.txt").read_text() == "kept"


KILLED = """
import os, signal, sys
from pathlib import Path
from squadron.tracking.outbox import Outbox
class Away:
    def deliver(self, entry): raise ConnectionError
    def is_up(self): return False
box = Outbox(Path(sys.argv[1]), Away())
for number in range(5):
    box.put("span", "points", number)
print("put", flush=True)
{end}
"""


def test_a_kill_loses_nothing_but_a_torn_last_line(tmp_path):
    script = KILLED.format(end="os.kill(os.getpid(), signal.SIGKILL)")
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    (journal,) = tmp_path.glob("*.jsonl")
    with journal.open("ab") as file:
        file.write(b'{"number": 5, "entry": {"run": "sp')
    server = Server()
    box = Outbox(tmp_path, server)
    box.put("span", "points", "mine")
    assert box.close(LONG).count == 0
    assert contents(server) == [0, 1, 2, 3, 4, "mine"]


def test_a_line_that_can_not_be_read_does_not_take_the_others_with_it(tmp_path):
    first = Outbox(tmp_path, Server(is_away=True), quick)
    for number in range(3):
        first.put("span", "points", number)
    first.close(0.01)
    (journal,) = tmp_path.glob("*.jsonl")
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join([lines[0], "{not json", lines[2]]) + "\n")
    server = Server()
    Outbox(tmp_path, server).close(LONG)
    assert contents(server) == [0, 2]


def test_the_journal_of_a_living_process_is_left_alone(tmp_path):
    script = KILLED.format(end="sys.stdin.read()")
    living = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert living.stdout is not None
        assert living.stdout.readline() == b"put\n"
        server = Server()
        Outbox(tmp_path, server).close(LONG)
        assert server.got == []
    finally:
        living.kill()
        living.communicate()
    Outbox(tmp_path, server).close(LONG)
    assert contents(server) == [0, 1, 2, 3, 4]


def test_what_was_sent_before_a_kill_is_not_sent_again(tmp_path):
    class Half(Server):
        def deliver(self, entry):
            self.is_away = entry.content >= 2
            return super().deliver(entry)

    half = Half()
    first = Outbox(tmp_path, half, quick)
    for number in range(4):
        first.put("span", "points", number)
    assert first.close(0.2).count == 2
    server = Server()
    Outbox(tmp_path, server).close(LONG)
    assert contents(half) == [0, 1]
    assert contents(server) == [2, 3]


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc").is_dir(), reason="needs /proc")
def test_without_a_disk_entries_are_still_sent(monkeypatch, tmp_path):
    monkeypatch.setattr(outbox.tempfile, "gettempdir", lambda: "/proc/nothing")
    server = Server()
    box = Outbox(Path("/proc/nothing/race"), server)
    files = tmp_path / "files"
    files.mkdir()
    (files / "a.txt").write_text("x")
    box.put("span", "points", 1)
    box.put("span", "artifacts", "y", files)
    assert box.close(LONG).count == 0
    assert server.got == [("span", "points", 1), ("span", "artifacts", "y", {"a.txt": "x"})]


def test_an_outbox_is_opened_once_in_a_process_and_closed_at_the_end_of_a_step(tmp_path):
    server = Server()
    box = open_outbox(tmp_path, lambda: server)
    assert open_outbox(tmp_path, lambda: server) is box
    box.put("span", "points", 1)
    assert [left.count for left in close_outboxes(LONG)] == [0]
    assert close_outboxes(LONG) == []
    again = open_outbox(tmp_path, lambda: server)
    assert again is not box
    close_outboxes(LONG)


@given(st.integers(1, 10**6), st.floats(0, 1, exclude_max=True))
def test_a_wait_is_never_long_and_never_nothing(failures, drawn):
    wait = wait_seconds(failures, lambda: drawn)
    assert outbox.FIRST_WAIT_SECONDS / 2 <= wait <= outbox.LONGEST_WAIT_SECONDS
    assert wait <= outbox.FIRST_WAIT_SECONDS * 2.0 ** min(failures - 1, 99)


@given(st.randoms(use_true_random=False))
def test_a_server_that_is_away_for_ten_minutes_is_asked_less_than_fifty_times(draw):
    clock, tries = 0.0, 1
    while clock < 600:
        clock += wait_seconds(tries, draw.random)
        tries += 1
    assert 20 <= tries < 50
    assert clock - 600 <= outbox.LONGEST_WAIT_SECONDS  # so late it notices that the server is back


def test_patience_is_a_number_of_seconds(monkeypatch):
    monkeypatch.delenv(outbox.PATIENCE_VARIABLE, raising=False)
    assert read_patience() == 600
    monkeypatch.setenv(outbox.PATIENCE_VARIABLE, "2.5")
    assert read_patience() == 2.5
    for wrong in ("soon", "-1", "nan", "inf"):
        monkeypatch.setenv(outbox.PATIENCE_VARIABLE, wrong)
        with pytest.raises(InputError, match=f"SQUADRON_OUTBOX_SECONDS is '{wrong}'"):
            read_patience()


def test_an_entry_is_on_the_disk_before_put_comes_back(tmp_path, monkeypatch):
    synced = []

    def fsync(descriptor):
        synced.append(Path(f"/dev/fd/{descriptor}").read_text())

    monkeypatch.setattr(outbox.os, "fsync", fsync)
    box = Outbox(tmp_path, Server(is_away=True), quick)
    box.put("span", "points", "precious")
    assert len(synced) == 1
    assert '"precious"' in synced[0]
    box.close(0.01)
