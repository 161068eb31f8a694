"""The journals in which an outbox keeps its entries on disk.

Owns the format of the file, its lock and the copies of the files to send. `outbox` owns the order
and the waiting.
"""

import contextlib
import fcntl
import json
import logging
import os
import secrets
import shutil
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

JOURNAL = ".jsonl"
"""The ending of a journal's file name."""


@dataclass(frozen=True)
class Entry:
    """Something that a step wants to tell the server."""

    run: str
    """The run of the race that the entry is about; the courier finds it when it sends."""
    kind: str
    """What the courier has to do with the content."""
    content: Any
    """JSON values."""
    time_ms: int
    """When the step put the entry, in milliseconds since 1970."""
    files: str = ""
    """A folder in the outbox with a copy of the files to send; "" for none."""


class Journal:
    """A file of entries that only this process uses, and the copies of files that they send.

    Each line is either {"number": n, "entry": ...} or {"done": n}, which says that entry n was sent
    or refused. The file is locked while it is in use, so that no other process takes over the
    journal of a living process. The system releases the lock of a killed process.
    """

    def __init__(self, path: Path, descriptor: int, count: int) -> None:
        self.path = path
        self.count = count
        self.unsent = 0
        self._descriptor = descriptor
        # The step adds entries while the outbox's thread settles others.
        self._busy = threading.Lock()

    @classmethod
    def create(cls, folder: Path) -> "Journal":
        """Creates a journal; its name sorts after the names of earlier steps' journals.

        Raises:
            OSError: If the folder can't be written to.
        """
        for _ in range(20):
            # A step that ends at this moment may remove the empty folder or take over the new file.
            with contextlib.suppress(FileNotFoundError):
                folder.mkdir(parents=True, exist_ok=True)
                name = f"{time.time_ns():020d}-{os.getpid()}-{secrets.token_hex(4)}{JOURNAL}"
                descriptor = os.open(folder / name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
                if _lock(descriptor) and os.fstat(descriptor).st_nlink:
                    return cls(folder / name, descriptor, 0)
                os.close(descriptor)
        raise OSError(f"No journal can be made in {folder}")

    @classmethod
    def adopt(cls, path: Path) -> "tuple[Journal, list[tuple[int, Entry]]] | None":
        """Takes over the journal of an earlier step; None if that step still uses it or it is gone.

        A last line without its end is dropped: the step was killed before `add` had returned.

        Returns:
            The journal, and its entries that were not settled, with their numbers.
        """
        try:
            descriptor = os.open(path, os.O_RDWR)
        except OSError:
            return None
        if not _lock(descriptor) or not os.fstat(descriptor).st_nlink:
            os.close(descriptor)
            return None
        raw = path.read_bytes()
        whole = raw[: raw.rfind(b"\n") + 1]
        os.ftruncate(descriptor, len(whole))
        os.lseek(descriptor, 0, os.SEEK_END)
        entries: dict[int, Entry] = {}
        count = 0
        for line in whole.splitlines():
            try:
                record = json.loads(line)
                if "done" in record:
                    entries.pop(record["done"], None)
                else:
                    entries[record["number"]] = Entry(**record["entry"])
                    count = record["number"] + 1
            except (ValueError, TypeError, KeyError) as error:
                logger.warning("A line of %s is passed over: %s", path, error)
        journal = cls(path, descriptor, count)
        journal.unsent = len(entries)
        return journal, sorted(entries.items())

    def add(self, entry: Entry) -> int:
        """Writes an entry to the disk and returns its number.

        Raises:
            OSError: If the entry can't be written. The journal is then as it was before.
        """
        with self._busy:
            number = self.count
            self._append({"number": number, "entry": asdict(entry)}, for_good=True)
            self.count += 1
            self.unsent += 1
        return number

    def copy_files(self, folder: Path) -> str:
        """Copies a folder beside the journal and returns the path of the copy."""
        target = self.path.with_suffix(".files") / secrets.token_hex(4)
        shutil.copytree(folder, target, copy_function=_link_or_copy)
        return str(target)

    def settle(self, number: int) -> None:
        """Notes that an entry was sent or refused."""
        # Without this note the entry is sent again, which changes nothing.
        with self._busy, contextlib.suppress(OSError):
            self.unsent -= 1
            self._append({"done": number}, for_good=False)

    def close(self) -> None:
        """Releases the lock; removes the journal and its copies if every entry is settled."""
        with contextlib.suppress(OSError):
            if not self.unsent:
                shutil.rmtree(self.path.with_suffix(".files"), ignore_errors=True)
                self.path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            os.close(self._descriptor)

    def _append(self, record: dict[str, Any], *, for_good: bool) -> None:
        """Writes a line at the end of the file; with `for_good`, waits until the disk has it.

        Raises:
            OSError: If the line can't be written; the file is then as it was before.
        """
        start = os.lseek(self._descriptor, 0, os.SEEK_END)
        line = json.dumps(record).encode() + b"\n"
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
            if for_good:
                os.fsync(self._descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, start)
            raise


def _lock(descriptor: int) -> bool:
    """Locks a journal; returns False if another process holds the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # Some network disks have no locks. Two processes may then send the same entry, which
        # changes nothing.
        logger.debug("The disk of the outbox has no locks")
    return True


def _link_or_copy(source: str, target: str) -> str:
    """Makes a hard link to a file, or a copy where the disk has no links.

    A link is enough, because artifacts are replaced as a whole and never changed in place.
    """
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
    return target
