"""What the launcher noted of each step in kfp's cache: how long it took, and what it found.

kfp.local stores the outputs of a step, but not what a person wants to see of it when it comes from
the cache. The launcher notes that in a small file beside the entry, `runs/cache/KEY.step`.
`squadron clean` removes both together, because both have the name of the key.
"""

import contextlib
from dataclasses import asdict, dataclass
from pathlib import Path

from squadron.artifacts import read_json, write_json
from squadron.config import from_mapping
from squadron.errors import InputError
from squadron.runs_folder.places import CACHE

_SCHEMA = "step_note/1"


@dataclass(frozen=True)
class StepNote:
    """What is known of a step that has run."""

    seconds: float
    """From its start to its end, the start of its process included."""
    windows: int = 0
    """How many windows it trained on or predicted; those of an earlier try are not counted."""
    windows_seconds: float = 0.0
    """How long these windows took."""
    windows_planned: int = 0
    """How many windows there were to do, those of an earlier try included."""
    exact_match: float | None = None
    """EM on select, 0 to 100; None unless the step judged a contender."""


def read_note(folder: Path, entry: str) -> StepNote | None:
    """Returns what was noted of a step; None if nothing was, or if the file is damaged.

    Args:
        folder: The folder `runs/`.
        entry: The key of the step in kfp's cache.
    """
    with contextlib.suppress(InputError, KeyError, OSError):
        fields = read_json(_path(folder, entry), schema=_SCHEMA)
        known = {name: fields[name] for name in StepNote.__dataclass_fields__}
        return from_mapping(StepNote, known)
    return None


def write_note(folder: Path, entry: str, note: StepNote) -> None:
    """Notes what is known of a step. If the file can't be written, nothing is noted.

    Args:
        folder: The folder `runs/`.
        entry: The key of the step in kfp's cache.
        note: What is known.
    """
    with contextlib.suppress(InputError, OSError):
        write_json(_path(folder, entry), asdict(note), schema=_SCHEMA, made_from=entry)


def _path(folder: Path, entry: str) -> Path:
    return folder / CACHE / f"{entry}.step"
