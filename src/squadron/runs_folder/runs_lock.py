"""The lock of a folder `runs/`: only one race or clean-up at a time writes to the folder.

The system releases the lock when its process ends, also if it is killed. The file of the lock says
who holds it, for those who wait.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from squadron.errors import InputError

LOCK = ".lock"
"""The file of the lock in the folder. It holds nothing but the note on who has the lock."""


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, as the holder noted it."""

    what: str
    """What the process does, such as "the race example/0123abcd"."""
    process: int
    since: str
    """The local time, such as "2026-11-21 21:03:05"."""

    def __str__(self) -> str:
        """Returns the holder in words."""
        return f"{self.what} (process {self.process}, since {self.since})"


class RunsLock:
    """A lock that this process holds; `hold` creates it."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def describe(self, what: str) -> None:
        """Notes in the lock's file that this process holds it, with `what` as in `Holder`."""
        holder = Holder(what, os.getpid(), time.strftime("%Y-%m-%d %H:%M:%S"))
        self._write(json.dumps(asdict(holder)))

    def forget(self) -> None:
        """Removes what `describe` wrote."""
        self._write("")

    def _write(self, text: str) -> None:
        # The note is only for people. A full disk must not stop a race because of it.
        with contextlib.suppress(OSError):
            self._file.seek(0)
            self._file.truncate()
            self._file.write(text)
            self._file.flush()


@contextlib.contextmanager
def hold(folder: Path, what: str, wait: Callable[[str], None] | None = None) -> Iterator[RunsLock]:
    """Holds the lock of a folder `runs/`, which is created if it is missing.

    Python opens files so that child processes don't inherit them. A step that outlives a killed
    launcher therefore doesn't hold the lock.

    Args:
        folder: The folder `runs/` of a checkout.
        what: What this process does there, as in `Holder`.
        wait: Called with the holder before this process waits for the lock. None: it does not wait.

    Raises:
        InputError: If the folder can't be written to or locked, or `wait` is None and another
            process holds the lock.
    """
    try:
        folder.mkdir(exist_ok=True)
        file = (folder / LOCK).open("a+", encoding="utf-8")
    except OSError as error:
        raise InputError(f"The folder {folder.resolve()} can't be written: {error}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _read_holder(file)
            if wait is None:
                raise InputError(
                    f"The folder {folder.resolve()} is in use by {holder}; try again when that "
                    "has ended, or stop it"
                ) from None
            wait(holder)
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError as error:
            raise InputError(
                f"The folder {folder.resolve()} can't be locked: {error}. Its file system has no "
                "locks; work in a folder of a local disk"
            ) from None
        lock = RunsLock(file)
        lock.describe(what)
        try:
            yield lock
        finally:
            lock.forget()


def find_holder(folder: Path) -> str:
    """Says who holds the lock of a folder `runs/`; "" if nobody does. Changes nothing.

    Args:
        folder: The folder, which may be missing.
    """
    try:
        with (folder / LOCK).open(encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _read_holder(file)
    except OSError:
        pass  # There is no lock, or this user may not read it.
    return ""


def _read_holder(file: IO[str]) -> str:
    """Returns the holder in words, also if the note is missing or only half written."""
    file.seek(0)
    try:
        return str(Holder(**json.loads(file.read())))
    except (ValueError, TypeError, OSError):
        return "another process"
