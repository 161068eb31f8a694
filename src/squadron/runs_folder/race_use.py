"""Which entries of kfp's cache each race used, so that `squadron clean` knows what is needed.

kfp.local stores the outputs of each step, but not which races used them. The launcher notes that in
a small file for each race, `runs/races/NAME-KEY.json`. This module owns these files.
"""

import contextlib
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from squadron.artifacts import read_json, write_json
from squadron.config import from_mapping
from squadron.errors import InputError
from squadron.runs_folder.places import RACES

_SCHEMA = "race_use/1"


@dataclass(frozen=True)
class RaceUse:
    """The entries of the cache that one race used."""

    name: str
    """The name of the experiment."""
    key: str
    """The key of the race."""
    first_started: float
    """When its first try since the last finished one started, in seconds since 1970."""
    started: float
    """When its last try started, in seconds since 1970."""
    finished: bool = False
    """Whether the last try succeeded."""
    entries: tuple[str, ...] = ()
    """The keys of kfp's cache, sorted."""

    def __str__(self) -> str:
        """Returns the race in words for people."""
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.started))
        return f"{self.name}-{self.key[:6]} ({when}{'' if self.finished else ', not finished'})"


class UseNotes:
    """Writes each entry that a race uses to its file at once, as a race may be killed at any time.

    Args:
        folder: The folder `runs/`.
        name: The name of the experiment.
        key: The key of the race.
    """

    def __init__(self, folder: Path, name: str, key: str) -> None:
        self._path = folder / RACES / f"{name}-{key}.json"
        self._path.parent.mkdir(exist_ok=True)
        now = time.time()
        self._use = RaceUse(name, key, first_started=now, started=now)
        earlier = _read(self._path)
        if earlier and not earlier.finished:
            # This try will use the entries of an earlier try that did not finish.
            self._use = replace(earlier, started=now)
        self._write()

    def note(self, entry: str) -> None:
        """Notes that the race uses an entry of the cache."""
        self._use = replace(self._use, entries=tuple(sorted({*self._use.entries, entry})))
        # Without this note, cleaning removes an entry that the next race would need. The race
        # itself must not fail because of that.
        with contextlib.suppress(OSError):
            self._write()

    def finish(self) -> None:
        """Notes that the race succeeded."""
        self._use = replace(self._use, finished=True)
        self._write()

    def _write(self) -> None:
        write_json(self._path, asdict(self._use), schema=_SCHEMA, made_from=self._use.key)


def read_uses(folder: Path) -> list[RaceUse]:
    """Returns what each race used, the last started race first. Unreadable files are ignored.

    Args:
        folder: The folder `runs/`; it may be missing.
    """
    found = [_read(path) for path in (folder / RACES).glob("*.json")]
    return sorted((use for use in found if use), key=lambda use: -use.started)


def choose_kept(uses: list[RaceUse], count: int) -> list[RaceUse]:
    """Returns the races whose cache stays.

    These are the last `count` finished races of each experiment, and unfinished races that started
    after the oldest of them: such a race continues from its cache when it is started again. A race
    that was refused before any step had ended has nothing in the cache and is left out.

    Args:
        uses: What `read_uses` returns.
        count: How many finished races of an experiment stay; 0 keeps no race.
    """
    left: dict[str, int] = {}
    kept = []
    for use in uses:
        if left.setdefault(use.name, count) > 0 and (use.finished or use.entries):
            kept.append(use)
            left[use.name] -= use.finished
    return kept


def _read(path: Path) -> RaceUse | None:
    """Reads the file of a race; returns None if it is missing or damaged."""
    with contextlib.suppress(InputError, KeyError):
        fields = read_json(path, schema=_SCHEMA)
        known = {name: fields[name] for name in RaceUse.__dataclass_fields__}
        return from_mapping(RaceUse, known)
    return None
