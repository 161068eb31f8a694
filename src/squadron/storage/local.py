"""Lists, hashes, verifies and fills folders of this machine."""

import errno
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from squadron.errors import InputError
from squadron.storage import manifest as records
from squadron.storage.locations import is_plain_name
from squadron.storage.manifest import MANIFEST_NAME, MARKER_NAME, FileEntry, Manifest, Marker

UNFINISHED = ".unfinished-"
_REMEDIES = {
    errno.ENOENT: " Correct the path.",
    errno.EACCES: " Change the permissions or choose another place.",
    errno.ENOSPC: " Free some space or choose another place.",
    errno.ENOTDIR: " A file stands where a folder is needed.",
    errno.EEXIST: " A file stands where a folder is needed.",
    errno.EBUSY: " If it is the root of a mounted volume, give a folder inside it.",
}


@contextmanager
def sentences(verb: str, path: Path) -> Iterator[None]:
    """Turns errors of the file system into InputErrors; `verb` is "read" or "written"."""
    try:
        yield
    except OSError as error:
        if UNFINISHED in str(path):  # an outer `sentences` of the caller knows the target
            raise
        named = str(error.filename2 or error.filename or path)
        place = path if UNFINISHED in named else named
        reason = f"{error.strerror or error}.{_REMEDIES.get(error.errno or 0, '')}"
        raise InputError(f"{place} can't be {verb}: {reason}") from error


def describe(root: Path) -> Manifest:
    """Hashes all files of a folder, except its manifest and marker."""
    files = {path.relative_to(root).as_posix(): path for path in list_files(root)}
    names = sorted(files.keys() - {MANIFEST_NAME, MARKER_NAME})
    return Manifest(tuple(FileEntry(name, *hash_file(files[name])) for name in names))


def list_files(folder: Path) -> Iterator[Path]:
    """Yields all files and links to files (model caches); refuses what can't be published."""
    for path in folder.iterdir():
        is_folder = path.is_dir() and not path.is_symlink()
        if not (is_folder or path.is_file()) or not is_plain_name(path.name):
            raise InputError(
                f"{str(path)!r} can't be published: it is a link to a folder, a broken link or no "
                "regular file, or its name isn't UTF-8. Replace, rename or remove it."
            )
        yield from list_files(path) if is_folder else [path]


def hash_file(path: Path) -> tuple[int, str]:
    """Returns the size of a file in bytes and its sha256."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        return file.tell(), digest


def read_marker(folder: Path) -> Marker | None:
    """Returns the marker of a folder, or None without one."""
    path = folder / MARKER_NAME
    if path not in folder.iterdir():  # raises if the folder is missing or a file
        return None
    return Marker.from_bytes(path.read_bytes(), str(path))


def read_content(folder: Path) -> tuple[Path, Manifest]:
    """Returns the folder with the content, and its manifest; verifies published content."""
    marker = read_marker(folder)
    # If the folder is a copy of an S3 prefix, the marker names a folder inside it.
    root = folder / marker.content if marker else folder
    path = root / MANIFEST_NAME
    if marker:
        manifest = Manifest.from_bytes(path.read_bytes(), marker, str(path))
        require_described(root, manifest, str(root))
        return root, manifest
    if path.exists():
        raise InputError(f"{path} was not written by publishing and has its name; rename it.")
    return root, describe(root)


def verify(folder: Path) -> Path:
    """Checks all files of a published folder, and returns the folder with the content."""
    with sentences("read", folder):
        if read_marker(folder) is None:
            records.raise_uncommitted(str(folder))
        return read_content(folder)[0]


def require_described(
    root: Path, manifest: Manifest, where: str, remedy: str = records.PUBLISH_AGAIN
) -> None:
    """Refuses files that differ from the manifest; the message names one of them."""
    different = {file.path for file in set(describe(root).files) ^ set(manifest.files)}
    if different:
        raise InputError(
            f"{where}/{min(different)} was added, changed or removed since the manifest was made; "
            f"{remedy}."
        )


def holds(folder: Path, manifest: Manifest | None) -> bool:
    """Says whether a folder holds the content of this manifest; False means that it is free.

    Raises:
        InputError: If the folder holds anything else.
    """
    is_there = folder.exists()
    marker = read_marker(folder) if is_there else None
    if marker and manifest:
        records.require_same(marker, manifest, str(folder))
        return True
    if is_there and any(folder.iterdir()):
        raise InputError(
            f"{folder} holds files that were not published there; give a new or an empty folder."
        )
    return False


def build(target: Path, manifest: Manifest | None, fill: Callable[[Path], None]) -> bool:
    """Fills a new folder and renames it to `target`; a failure leaves nothing.

    With a manifest, it becomes a published folder. Returns False if the target already holds this
    content, possibly because another process was faster.
    """
    with sentences("written", target):
        if holds(target, manifest):
            return False
        final = target.resolve()  # if the target is a link to an empty folder, the link stays
        final.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=UNFINISHED, dir=final.parent) as temporary:
            built = Path(temporary, "built")
            built.mkdir()  # it gets the usual permissions, which a temporary folder does not have
            fill(built)
            if manifest:
                (built / MANIFEST_NAME).write_bytes(manifest.to_bytes())
                (built / MARKER_NAME).write_bytes(Marker(manifest.sha256).to_bytes())
            # Without this, a power cut could leave file names without content.
            for path in built.rglob("*"):
                if path.is_file():
                    with path.open("rb") as file:
                        os.fsync(file.fileno())
            try:
                built.rename(final)  # this replaces an empty folder, but nothing else
            except OSError:
                if not holds(target, manifest):
                    raise
                return False
    return True


def require_writable(target: Path) -> None:
    """Checks that the target can be written: makes a temporary folder nearby and removes it.

    The target need not exist, and it is not made: a race that is refused later must not leave an
    empty folder.
    """
    with sentences("written", target):
        final = target.resolve()
        nearest = next(path for path in (final, *final.parents) if path.exists())
        with TemporaryDirectory(prefix=UNFINISHED, dir=nearest) as temporary:
            Path(temporary, final.relative_to(nearest)).mkdir(parents=True, exist_ok=True)


def publish(folder: Path, manifest: Manifest, target: Path) -> None:
    """Publishes a folder that the manifest describes, by copying it."""

    def fill(built: Path) -> None:
        for file in manifest.files:
            (built / file.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / file.path, built / file.path)
        require_described(built, manifest, str(folder), records.TRY_AGAIN)

    build(target, manifest, fill)
