"""Keeps what a step wants to tell a server on disk until the server has it.

An entry is written to a journal first and sent by a background thread afterwards, in the order in
which it was put, so that the step never waits for the server. This file owns the journal, the order
and the waiting. It does not know MLflow: a `Courier` does the sending (docs/decisions/outbox.md).
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
PATIENCE_SECONDS = 600.0
"""How long the end of a step waits for a server that is away, unless the variable says it."""
MOST_PATIENCE_SECONDS = 86_400.0
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 30.0
MOST_TRIES = 8
"""Tries of an entry that fails while the server answers other questions; about two minutes."""
FALLBACK = "squadron-outbox"
"""The folder among the temporary files that is used where the usual place can't be written."""
STOP_SECONDS = 5.0
"""How long closing waits for a call that is under way."""
REFUSED = "refused"
"""The folder of what the server refuses for ever, in the folder of a race."""


class Courier(Protocol):
    """Carries entries to the server; only the outbox's thread calls it."""

    def deliver(self, entry: Entry) -> list[str]:
        """Sends an entry; sending it again must change nothing.

        Returns:
            What the server refuses for ever, one sentence for each part; usually nothing.

        Raises:
            Exception: If the entry must be sent again.
        """
        ...

    def is_up(self) -> bool:
        """Says whether the server answers at all."""
        ...


def wait_seconds(failures: int, draw: Callable[[], float] = random.random) -> float:
    """Returns how long to wait after a number of failures in a row, the first being 1.

    The wait doubles up to LONGEST_WAIT_SECONDS. Up to half of it is left out by chance, so that
    many steps don't come back in the same instant.
    """
    longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2.0 ** min(failures - 1, 30))
    return longest * (0.5 + 0.5 * draw())


def read_patience() -> float:
    """Returns the seconds that the end of a step waits for a server that is away.

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
    """An entry in the queue, and where it is written down: nowhere if the disk did not take it."""

    entry: Entry
    journal: Journal | None
    number: int


@dataclass(frozen=True)
class Left:
    """What closing an outbox found."""

    count: int
    """Entries that the server does not have yet."""
    folder: Path
    """Where they wait."""
    refused: tuple[str, ...]
    """What the server refuses for ever, one sentence for each."""


class Outbox:
    """The entries of one race that were put in this process, or left by a step before it.

    Args:
        folder: Holds the journals of the race; it should outlive the step.
        courier: Sends the entries.
        wait: Seconds to wait after a number of failures in a row.
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
        """Writes an entry down and lets the thread send it; never raises and never waits for it.

        Args:
            run: See `Entry`.
            kind: See `Entry`.
            content: See `Entry`.
            files: A folder to send; it is copied, so that it may change or go afterwards.
        """
        entry = Entry(run, kind, content, int(time.time() * 1000), str(files or ""))
        journal, number = None, 0
        try:
            journal = self._journal()
            if files is not None:
                entry = Entry(run, kind, content, entry.time_ms, journal.copy_files(files))
            number = journal.add(entry)
        except OSError as error:
            # Training is worth more than the certainty that this entry survives a kill.
            logger.warning("An entry for MLflow is kept in memory alone: %s", error)
            journal = None
        with self._changed:
            self._waiting.append(_Waiting(entry, journal, number))
            self._changed.notify_all()

    def flush(self, seconds: float) -> int:
        """Waits until everything is sent, for so many seconds at most; returns what is left."""
        with self._changed:
            self._hurry = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._waiting, seconds)
            return len(self._waiting)

    def close(self, seconds: float) -> Left:
        """Flushes, then stops; what is left stays on disk."""
        self.flush(seconds)
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(STOP_SECONDS)
        # The thread closes the journals, as it may still be in a call that uses one.
        with self._changed:
            return Left(len(self._waiting), self.folder, tuple(self._refused))

    def _journal(self) -> Journal:
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
        """Sends entry after entry until the outbox is closed: what the thread does."""
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
            self.folder.rmdir()  # only where nothing is left in it

    def _is_up(self) -> bool:
        try:
            return self._courier.is_up()
        except Exception:
            return False

    def _pause(self, seconds: float) -> None:
        """Waits between two tries; the start of a flush ends the wait once."""
        with self._changed:
            self._changed.wait_for(lambda: self._hurry or self._stopped, seconds)
            self._hurry = False

    def _settle(self, waiting: _Waiting, reasons: list[str]) -> None:
        """Takes a sent or refused entry out of the queue."""
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
        """Keeps a refused entry where a person finds it, with its files."""
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
"""The outboxes of this process by folder, so that the end of a step can flush them."""


def open_outbox(folder: Path, make_courier: Callable[[], Courier]) -> Outbox:
    """Returns the outbox of a folder, which is opened once in a process."""
    if folder not in _opened:
        _opened[folder] = Outbox(folder, make_courier())
    return _opened[folder]


def close_outboxes(seconds: float) -> list[Left]:
    """Flushes and closes every outbox of this process, in so many seconds together.

    Returns:
        What each one could not send.
    """
    deadline = time.monotonic() + seconds
    left = []
    while _opened:
        _, outbox = _opened.popitem()
        left.append(outbox.close(max(0.0, deadline - time.monotonic())))
    return left
