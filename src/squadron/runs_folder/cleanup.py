"""Finds the files of a folder `runs/` that are not needed any more, and removes them.

MLflow's store and files, reports, registered models, the outbox and the log always stay.
docs/decisions/what-stays-in-runs.md says what is removed, and why. The command is `squadron clean`.
"""

import contextlib
import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from squadron.runs_folder.places import (
    CACHE,
    CHECKPOINTS,
    OUTBOX,
    PIPELINE,
    RACES,
    TEMPORARY,
    WORKSPACE,
)
from squadron.runs_folder.race_use import RaceUse, choose_kept, read_uses


@dataclass(frozen=True)
class Removable:
    """Files and folders of one kind that can be removed."""

    what: str
    """The kind, in words for people."""
    paths: tuple[Path, ...]
    size_bytes: int


@dataclass(frozen=True)
class Cleanup:
    """A plan: which files of a folder `runs/` can be removed, and which races stay."""

    folder: Path
    size_bytes: int
    """The size of the whole folder."""
    removable: tuple[Removable, ...]
    kept: tuple[RaceUse, ...]
    """The races whose cache stays."""

    @property
    def freed_bytes(self) -> int:
        """Returns how many bytes the removal frees."""
        return sum(each.size_bytes for each in self.removable)


def plan_cleanup(folder: Path, keep: int) -> Cleanup:
    """Finds what can be removed. Changes nothing.

    Args:
        folder: The folder `runs/`.
        keep: How many finished races of each experiment keep their cache.
    """
    folder = folder.resolve()
    uses = read_uses(folder)
    kept = choose_kept(uses, keep)
    entries = {entry for use in kept for entry in use.entries}
    outputs = {place for entry in entries for place in _read_outputs(folder, entry)}
    found = [
        _collect("outputs of steps that no kept race uses", _unused(folder / PIPELINE, outputs)),
        _collect("checkpoints that no kept race goes on from", _checkpoints(folder, kept)),
        _collect(
            "temporary files of killed steps, and backbones fetched from S3",
            [path for name in (TEMPORARY, WORKSPACE) for path in _list(folder / name)],
        ),
        _collect(
            "entries of the cache that no kept race uses",
            [
                *(path for path in _list(folder / CACHE) if path.stem not in entries),
                *(folder / RACES / f"{u.name}-{u.key}.json" for u in uses if u not in kept),
            ],
        ),
    ]
    removable = tuple(each for each in found if each.paths)
    return Cleanup(folder, _size(folder), removable, tuple(kept))


def remove(cleanup: Cleanup) -> None:
    """Removes what the plan names. The caller holds the lock of the folder (`runs_lock`)."""
    # The entries of the cache come last. If the removal is interrupted, the cache ignores an entry
    # without outputs, and the removal can be repeated.
    for removable in cleanup.removable:
        for path in removable.paths:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def describe(cleanup: Cleanup, done: bool) -> str:
    """Returns a text that says what can be removed, what stays and what to do next.

    Args:
        cleanup: What `plan_cleanup` returned.
        done: Whether the files were removed.
    """
    total = _shown(cleanup.size_bytes)
    lines = [f"{cleanup.folder} {'held' if done else 'holds'} {total}."]
    if not cleanup.removable:
        return "\n".join([*lines, "Nothing there can go."])
    lines.append("Removed:" if done else "This can go:")
    lines += [f"  {_shown(each.size_bytes):>9}  {each.what}" for each in cleanup.removable]
    lines.append(f"  {_shown(cleanup.freed_bytes):>9}  in all")
    lines.append("MLflow's store and files stay: every figure, report and registered model.")
    if cleanup.kept:
        lines.append("These races stay in the cache:")
        lines += [f"  {use}" for use in cleanup.kept]
        lines.append("Any other race computes its steps again when it is started again.")
    else:
        lines.append("No race stays in the cache: each one computes its steps again.")
    if not done:
        lines.append("Nothing was removed. To remove it: squadron clean --yes")
    return "\n".join(lines)


def _read_outputs(folder: Path, entry: str) -> Iterator[Path]:
    """Yields the folders of the steps whose outputs an entry of the cache names."""
    try:
        content = json.loads((folder / CACHE / f"{entry}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return
    yield from (Path(uri).resolve().parent for uri in _find_uris(content))


def _find_uris(value: Any) -> Iterator[str]:
    """Yields the paths of the artifacts in an entry, as kfp/local/cache.py writes them."""
    if isinstance(value, dict):
        if isinstance(value.get("uri"), str):
            yield value["uri"]
        for each in value.values():
            yield from _find_uris(each)
    elif isinstance(value, list):
        for each in value:
            yield from _find_uris(each)


def _unused(folder: Path, used: set[Path]) -> Iterator[Path]:
    """Yields the largest folders and files below a folder that contain nothing that is used."""
    above = {parent for place in used for parent in place.parents}
    for path in _list(folder):
        if path in above:
            yield from _unused(path, used)
        elif path not in used:
            yield path


def _checkpoints(folder: Path, kept: Iterable[RaceUse]) -> Iterator[Path]:
    """Yields the checkpoints of trainings that ended, and those that no kept race continues."""
    models = (folder / PIPELINE).glob("*/*/train/model/variant.json")
    ended = {_training_of(about) for about in models}
    # A race that can be continued wrote its checkpoints after its first try had started.
    waiting = [use.first_started for use in kept if not use.finished]
    since = min(waiting, default=float("inf"))
    for path in _list(folder / CHECKPOINTS):
        if path.name == OUTBOX:
            continue
        newest = max((each.lstat().st_mtime for each in (path, *path.rglob("*"))), default=0.0)
        if path.name in ended or newest < since:
            yield path


def _training_of(about: Path) -> str:
    """Returns the name of the checkpoints of a model's training, from its variant.json; or ""."""
    try:
        content = json.loads(about.read_text(encoding="utf-8"))
        return f"{content['contender']['label']}-{content['made_from']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _collect(what: str, paths: Iterable[Path]) -> Removable:
    """Returns files and folders of one kind with their size."""
    found = tuple(sorted(paths))
    return Removable(what, found, sum(map(_size, found)))


def _list(folder: Path) -> list[Path]:
    """Returns what a folder contains, sorted; [] if there is no such folder."""
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _size(path: Path) -> int:
    """Returns the bytes of a file or of all files of a folder; links are not followed.

    A file that a running race removes meanwhile counts 0 bytes.
    """
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            return sum(map(_size, path.iterdir()))
        return path.lstat().st_size
    return 0


def _shown(size_bytes: int) -> str:
    """Returns a size for people, such as 1.5 GB."""
    size, unit = float(size_bytes), "bytes"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < 1000:
            break
        size, unit = size / 1000, larger
    return f"{size:,.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"
