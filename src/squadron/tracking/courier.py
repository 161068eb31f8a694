"""Sends what steps logged to MLflow: the courier of a race's outbox.

`outbox` keeps the entries and decides when they are sent.
"""

import contextlib
from typing import Any

from squadron.errors import InputError
from squadron.runs_folder.kept import kept_folder
from squadron.runs_folder.places import OUTBOX
from squadron.tracking.journal import Entry
from squadron.tracking.outbox import Outbox, open_outbox, read_patience
from squadron.tracking.race import Race
from squadron.tracking.race_runs import find_child, find_parent
from squadron.tracking.run_writes import LISTS, RunWriter, is_refusal
from squadron.tracking.store import connect
from squadron.tracking.tags import PARENT

LEFT_SECONDS = 60.0
"""How long a step that needs MLflow waits until the entries of earlier steps are sent."""


class RaceCourier:
    """Sends the entries of a race's outbox to MLflow.

    Args:
        race: The race whose runs get the entries.
    """

    def __init__(self, race: Race) -> None:
        self._race = race
        self._writer: RunWriter | None = None
        self._run_ids: dict[str, str] = {}

    def deliver(self, entry: Entry) -> list[str]:
        """Writes an entry to its run; returns one sentence for each part that MLflow refuses."""
        try:
            if self._writer is None:
                self._writer = RunWriter(connect())
            if entry.run not in self._run_ids:
                self._run_ids[entry.run] = self._find_run(entry.run)
            return self._write(self._run_ids[entry.run], entry, entry.content)
        except Exception as error:
            # After a call that raised, the writer does not know what MLflow has stored.
            self._writer = None
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
        """Returns the id of a contender's run, or of the parent run for PARENT.

        Raises:
            InputError: If the store does not have it.
        """
        run_id = find_parent(self._race) if label == PARENT else find_child(self._race, label)
        if not run_id:
            raise InputError(f"The race {self._race.name} {self._race.key} has no run in MLflow")
        return run_id

    def _write(self, run_id: str, entry: Entry, content: Any) -> list[str]:
        """Writes the content of an entry; returns one sentence for each item that MLflow refuses.

        MLflow refuses a call as a whole. If items are independent, each half is then written
        alone, down to the item that is refused.
        """
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
    """Says whether sending again is useless.

    An `InputError` is judged by its cause. Without a cause it says that the store does not have
    the race or the contender, which does not change.
    """
    if isinstance(error, InputError):
        return error.__cause__ is None or is_refusal(error.__cause__)
    return is_refusal(error)


def open_race_outbox(race: Race) -> Outbox:
    """Returns the outbox of a race; it also sends what earlier steps left on this disk.

    Raises:
        InputError: If the patience that the environment sets is not a number.
    """
    read_patience()
    # MLflow is imported here, before the outbox's thread uses it. If two threads import it at once,
    # one of them can get a module that is only half imported.
    import mlflow.artifacts
    import mlflow.entities  # noqa: F401

    folder = kept_folder() / OUTBOX / f"{race.name}-{race.key}"
    return open_outbox(folder.resolve(), lambda: RaceCourier(race))


def send_waiting(race: Race | None) -> None:
    """Sends what earlier steps left on this disk; called before the race is read or closed."""
    if race is not None:
        open_race_outbox(race).flush(min(read_patience(), LEFT_SECONDS))
