"""Keeps what a step wants to tell a server on disk until the server has it.

An entry is written to a journal first and sent by a background thread afterwards, in the order in
which it was put, so that the step never waits for the server. This module owns the queue, the
thread and the waiting times; `journal` owns the files. It does not know MLflow: a `Courier` sends
the entries (docs/decisions/outbox.md).
"""

import contextlib
import json
import logging
import os
import random
import shutil
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from squadron.errors import InputError
from squadron.tracking.journal import JOURNAL, Entry, Journal

logger = logging.getLogger(__name__)

PATIENCE_VARIABLE = "SQUADRON_OUTBOX_SECONDS"
"""The environment variable that replaces PATIENCE_SECONDS."""
PATIENCE_SECONDS = 600.0
"""How long a step waits at its end for a server that does not answer."""
MOST_PATIENCE_SECONDS = 86_400.0
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 30.0
"""Waiting times after one failure, and after many failures in a row."""
MOST_TRIES = 8
"""How often an entry is sent that fails while the server answers otherwise; about two minutes."""
FALLBACK = "squadron-outbox"
"""A folder among the temporary files, used if the usual folder can't be written to."""
STOP_SECONDS = 5.0
"""How long closing an outbox waits for a call that has not returned yet."""
REFUSED = "refused"
"""The folder of entries that the server refuses, below the folder of the outbox."""


class Courier(Protocol):
    """Sends entries to the server; only the outbox's thread calls it."""

    def deliver(self, entry: Entry) -> list[str]:
        """Sends an entry. Sending it again must change nothing.

        Returns:
            One sentence for each part that the server refuses; usually none.

        Raises:
            Exception: If the entry must be sent again.
        """
        ...

    def is_up(self) -> bool:
        """Says whether the server answers."""
        ...


def wait_seconds(failures: int, draw: Callable[[], float] = random.random) -> float:
    """Returns how long to wait after a number of failures in a row, the first being 1.

    The wait doubles up to LONGEST_WAIT_SECONDS. It is shortened at random, by half at most, so that
    many steps don't ask again in the same instant.
    """
    longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(failures - 1, 30))
    return longest * (0.5 + 0.5 * draw())


def read_patience() -> float:
    """Returns how many seconds a step waits at its end for a server that does not answer.

    Raises:
        InputError: If SQUADRON_OUTBOX_SECONDS is not a number from 0 to a day.
    """
    text = os.environ.get(PATIENCE_VARIABLE) or str(PATIENCE_SECONDS)
    with contextlib.suppress(ValueError):
        if 0 <= float(text) <= MOST_PATIENCE_SECONDS:
            return float(text)
    raise InputError(
        f"The environment variable {PATIENCE_VARIABLE} is {text!r}; a number of seconds "
        f"from 0 to {MOST_PATIENCE_SECONDS:,.0f} is allowed"
    )


@dataclass(frozen=True)
class _Waiting:
    """An entry in the queue. Its journal is None if the entry could not be written to a disk."""

    entry: Entry
    journal: Journal | None
    number: int


@dataclass(frozen=True)
class Unsent:
    """What the server does not have when an outbox is closed."""

    count: int
    """The number of entries that wait to be sent."""
    folder: Path
    """The folder in which they wait."""
    refused: tuple[str, ...]
    """One sentence for each thing that the server refuses."""


class Outbox:
    """The entries of one race: those of this process, and those that earlier steps left.

    Args:
        folder: The folder of the race's journals; it should outlive the step.
        courier: Sends the entries.
        wait: Returns the seconds to wait after a number of failures in a row.
    """

    def __init__(
        self, folder: Path, courier: Courier, wait: Callable[[int], float] = wait_seconds
    ) -> None:
        self.folder = folder
        self._courier = courier
        self._wait = wait
        self._waiting: deque[_Waiting] = deque()
        self._refused: list[str] = []
        self._changed = threading.Condition()
        self._hurry = self._stopped = False
        self._own: Journal | None = None
        self._journals: list[Journal] = []
        for path in sorted(folder.glob(f"*-*{JOURNAL}")):
            adopted = Journal.adopt(path)
            if adopted:
                journal, entries = adopted
                self._journals.append(journal)
                self._waiting += [_Waiting(entry, journal, number) for number, entry in entries]
        self._thread = threading.Thread(target=self._send_all, name="outbox", daemon=True)
        self._thread.start()

    def put(self, run: str, kind: str, content: Any, files: Path | None = None) -> None:
        """Writes an entry to the disk and lets the thread send it. Never waits for the server.

        Args:
            run: See `Entry`.
            kind: See `Entry`.
            content: See `Entry`.
            files: A folder to send. It is copied, so it may change or be removed afterwards.
        """
        entry = Entry(run, kind, content, int(time.time() * 1000), str(files or ""))
        journal, number = None, 0
        try:
            journal = self._journal()
            if files is not None:
                entry = Entry(run, kind, content, entry.time_ms, journal.copy_files(files))
            number = journal.add(entry)
        except OSError as error:
            # The step goes on, although this entry is lost if the step is killed.
            logger.warning("An entry for MLflow is kept in memory only: %s", error)
            journal = None
        with self._changed:
            self._waiting.append(_Waiting(entry, journal, number))
            self._changed.notify_all()

    def flush(self, seconds: float) -> int:
        """Waits until all entries are sent or the seconds are over; returns how many are left."""
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._waiting, seconds)
            return len(self._waiting)

    def close(self, seconds: float) -> Unsent:
        """Flushes the outbox and stops its thread; entries that were not sent stay on disk."""
        self.flush(seconds)
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(STOP_SECONDS)
        # The thread itself closes the journals, because it may still be using one of them.
        with self._changed:
            return Unsent(len(self._waiting), self.folder, tuple(self._refused))

    def _journal(self) -> Journal:
        """Returns the journal of this process, which is created when it is first needed.

        Raises:
            OSError: If neither the usual folder nor the fallback can be written to.
        """
        if self._own is None:
            try:
                self._own = Journal.create(self.folder)
            except OSError as error:
                self.folder = Path(tempfile.gettempdir()) / FALLBACK / self.folder.name
                logger.warning(
                    "The outbox is in %s, which a retry may not see: %s", self.folder, error
                )
                self._own = Journal.create(self.folder)
            self._journals.append(self._own)
        return self._own

    def _send_all(self) -> None:
        """Sends entries until the outbox is closed; the thread runs this."""
        failures = tries = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopped)
                if self._stopped:
                    break
                waiting = self._waiting[0]
            try:
                reasons = self._courier.deliver(waiting.entry)
            except Exception as error:
                failures += 1
                if self._is_up():
                    tries += 1
                elif failures == 1:
                    logger.warning("MLflow does not answer; the step goes on: %s", error)
                if tries < MOST_TRIES:
                    self._pause(self._wait(failures))
                    continue
                reasons = [f"{type(error).__name__}: {error}"]
            if failures and not reasons:
                logger.warning("MLflow answers again")
            failures = tries = 0
            self._settle(waiting, reasons)
        for journal in self._journals:
            journal.close()
        with contextlib.suppress(OSError):
            self.folder.rmdir()  # fails, as it should, if something is left in it

    def _is_up(self) -> bool:
        """Says whether the server answers; an error of the courier means that it does not."""
        try:
            return self._courier.is_up()
        except Exception:
            return False

    def _pause(self, seconds: float) -> None:
        """Waits before the next try. A flush or a close ends the wait."""
        with self._changed:
            self._changed.wait_for(lambda: self._hurry or self._stopped, seconds)
            self._hurry = False

    def _settle(self, waiting: _Waiting, reasons: list[str]) -> None:
        """Removes an entry from the queue after it was sent or refused."""
        if reasons:
            self._set_aside(waiting, reasons)
        if waiting.journal:
            if waiting.entry.files:
                shutil.rmtree(waiting.entry.files, ignore_errors=True)
            waiting.journal.settle(waiting.number)
        with self._changed:
            self._waiting.popleft()
            self._refused += reasons
            self._changed.notify_all()

    def _set_aside(self, waiting: _Waiting, reasons: list[str]) -> None:
        """Saves a refused entry and its files in the folder REFUSED for a person to look at."""
        logger.warning("MLflow refuses an entry: %s", "; ".join(reasons))
        entry, place = waiting.entry, self.folder / REFUSED
        with contextlib.suppress(OSError):
            place.mkdir(parents=True, exist_ok=True)
            if waiting.journal and entry.files:
                kept = place / Path(entry.files).name
                Path(entry.files).rename(kept)
                entry = replace(entry, files=str(kept))
            with (place / "entries.jsonl").open("a", encoding="utf-8") as out:
                out.write(json.dumps({"reasons": reasons, "entry": asdict(entry)}) + "\n")


_opened: dict[Path, Outbox] = {}
"""The open outboxes of this process by folder; a step closes them at its end."""


def open_outbox(folder: Path, make_courier: Callable[[], Courier]) -> Outbox:
    """Returns the outbox of a folder; opens it if this process has not done so."""
    if folder not in _opened:
        _opened[folder] = Outbox(folder, make_courier())
    return _opened[folder]


def close_outboxes(seconds: float) -> list[Unsent]:
    """Flushes and closes every outbox of this process, within so many seconds in all.

    Returns:
        What each outbox could not send.
    """
    deadline = time.monotonic() + seconds
    unsent = []
    while _opened:
        _, outbox = _opened.popitem()
        unsent.append(outbox.close(max(0.0, deadline - time.monotonic())))
    return unsent
