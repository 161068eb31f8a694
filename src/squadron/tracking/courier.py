"""Sends the entries of the outbox."""

import contextlib
from typing import Any

from squadron.errors import InputError
from squadron.runs_folder.kept import kept_folder
from squadron.tracking.outbox import Entry, Outbox, open_outbox, read_patience
from squadron.tracking.race import Race
from squadron.tracking.race_runs import find_child, find_parent
from squadron.tracking.run_writes import LISTS, RunWriter, is_refusal
from squadron.tracking.store import connect
from squadron.tracking.tags import PARENT

LEFT_SECONDS = 60.0
"""How long a step that can't do without MLflow waits for what earlier steps left to be sent."""


class RaceCourier:
    """Sends the entries of a race's outbox to MLflow.

    Args:
        race: Whose runs the entries are about.
    """

    def __init__(self, race: Race) -> None:
        self._race = race
        self._writer: RunWriter | None = None
        self._run_ids: dict[str, str] = {}

    def deliver(self, entry: Entry) -> list[str]:
        """Writes an entry to its run; says in a sentence each what MLflow refuses for ever."""
        try:
            if self._writer is None:
                self._writer = RunWriter(connect())
            if entry.run not in self._run_ids:
                self._run_ids[entry.run] = self._find_run(entry.run)
            return self._write(self._run_ids[entry.run], entry, entry.content)
        except Exception as error:
            self._writer = None  # It may not know what a call that raised has stored.
            if _is_refusal(error):
                return [f"{entry.kind} of {entry.run}: {error}"]
            raise

    def is_up(self) -> bool:
        """Says whether the store answers."""
        with contextlib.suppress(InputError):
            connect()
            return True
        return False

    def _find_run(self, label: str) -> str:
        run_id = find_parent(self._race) if label == PARENT else find_child(self._race, label)
        if not run_id:
            raise InputError(f"The race {self._race.name} {self._race.key} has no run in MLflow")
        return run_id

    def _write(self, run_id: str, entry: Entry, content: Any) -> list[str]:
        """Writes items that are independent in halves where one of them is refused."""
        writer = self._writer or RunWriter(connect())
        try:
            writer.write(run_id, entry.kind, content, files=entry.files, time_ms=entry.time_ms)
        except Exception as error:
            if not _is_refusal(error):
                raise
            if entry.kind not in LISTS or len(content) == 1:
                what = content if entry.kind in LISTS else ""
                return [f"{entry.kind} of {entry.run} {what}: {' '.join(str(error).split())[:300]}"]
            middle = len(content) // 2
            halves = content[:middle], content[middle:]
            return [reason for half in halves for reason in self._write(run_id, entry, half)]
        return []


def _is_refusal(error: BaseException) -> bool:
    """Says whether sending again is useless; an `InputError` stands for what made it, if anything.

    Without a cause it says that the race or the contender is not in the store.
    """
    if isinstance(error, InputError):
        return error.__cause__ is None or is_refusal(error.__cause__)
    return is_refusal(error)


def open_race_outbox(race: Race) -> Outbox:
    """The outbox of a race in this process; it goes on with what earlier steps left on this disk.

    Raises:
        InputError: If the patience that the environment sets is not a number.
    """
    read_patience()
    # MLflow is imported here and not in the outbox's thread: imports in two threads can meet half
    # imported modules.
    import mlflow.artifacts
    import mlflow.entities  # noqa: F401

    folder = kept_folder() / "outbox" / f"{race.name}-{race.key}"
    return open_outbox(folder.resolve(), lambda: RaceCourier(race))


def send_waiting(race: Race | None) -> None:
    """Sends what earlier steps of the race left on this disk, before MLflow is read or closed."""
    if race is not None:
        open_race_outbox(race).flush(min(read_patience(), LEFT_SECONDS))
