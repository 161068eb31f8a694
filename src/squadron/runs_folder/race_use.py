"""Which entries of kfp's cache each race used: how `squadron clean` knows what the next race needs.

kfp.local writes down what a step gave, but not which races took it. The launcher notes that in a
small file per race, `runs/races/NAME-KEY.json`. This file owns those files and what they say.
"""

import contextlib
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from squadron.artifacts import read_json, write_json
from squadron.errors import InputError
from squadron.runs_folder.places import RACES

_SCHEMA = "race_use/1"


@dataclass(frozen=True)
class RaceUse:
    """What one race used."""

    name: str
    """Of the experiment."""
    key: str
    """Of the race."""
    first_started: float
    """Seconds since 1970, at the first try that did not finish, or at this one."""
    started: float
    """At the last try."""
    finished: bool = False
    """Whether the last try ended well."""
    entries: tuple[str, ...] = ()
    """The keys of kfp's cache, sorted."""

    def __str__(self) -> str:
        """The race as people see it."""
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.started))
        return f"{self.name}-{self.key[:6]} ({when}{'' if self.finished else ', not finished'})"


class UseNotes:
    """Writes down what a race uses, at once, since a race may be killed at any moment.

    Args:
        folder: The folder `runs/`.
        name: Of the experiment.
        key: Of the race.
    """

    def __init__(self, folder: Path, name: str, key: str) -> None:
        self._path = folder / RACES / f"{name}-{key}.json"
        self._path.parent.mkdir(exist_ok=True)
        now = time.time()
        self._use = RaceUse(name, key, first_started=now, started=now)
        earlier = _read(self._path)
        if earlier and not earlier.finished:
            # What an earlier try of it made is used by this one sooner or later.
            self._use = replace(earlier, started=now)
        self._write()

    def note(self, entry: str) -> None:
        """Notes that the race uses an entry of the cache."""
        self._use = replace(self._use, entries=tuple(sorted({*self._use.entries, entry})))
        # Without the note, cleaning removes what a race would have found again: no reason to fail.
        with contextlib.suppress(OSError):
            self._write()

    def finish(self) -> None:
        """Notes that the race ended well."""
        self._use = replace(self._use, finished=True)
        self._write()

    def _write(self) -> None:
        write_json(self._path, asdict(self._use), schema=_SCHEMA, made_from=self._use.key)


def read_uses(folder: Path) -> list[RaceUse]:
    """What the races of a folder of runs used, the last started first; unreadable files are none.

    Args:
        folder: The folder `runs/`; it may be missing.
    """
    found = [_read(path) for path in (folder / RACES).glob("*.json")]
    return sorted((use for use in found if use), key=lambda use: -use.started)


def choose_kept(uses: list[RaceUse], count: int) -> list[RaceUse]:
    """The races whose cache stays: per experiment the last `count` that finished, and later ones.

    A later one that did not finish goes on from its cache when it is started again, unless it was
    refused before any step had ended.

    Args:
        uses: As `read_uses` gives them.
        count: 0 keeps none.
    """
    left: dict[str, int] = {}
    kept = []
    for use in uses:
        if left.setdefault(use.name, count) > 0 and (use.finished or use.entries):
            kept.append(use)
            left[use.name] -= use.finished
    return kept


def _read(path: Path) -> RaceUse | None:
    with contextlib.suppress(InputError, KeyError, TypeError, ValueError):
        fields = read_json(path, schema=_SCHEMA)
        return RaceUse(
            name=str(fields["name"]),
            key=str(fields["key"]),
            first_started=float(fields["first_started"]),
            started=float(fields["started"]),
            finished=bool(fields["finished"]),
            entries=tuple(map(str, fields["entries"])),
        )
    return None
