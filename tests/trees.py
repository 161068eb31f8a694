"""Writes and reads small trees of files in tests of storage."""

from pathlib import Path

RECORDS = {"manifest.json", "_COMMITTED"}
"""The files that publishing adds to a folder."""


def write_tree(folder: Path, files: dict[str, bytes]) -> Path:
    """Writes files, given by their path below the folder, and returns the folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def read_tree(folder: Path) -> dict[str, bytes]:
    """Returns the content of every file by its path below the folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def content_of(folder: Path) -> dict[str, bytes]:
    """Returns what `read_tree` returns, without the files that publishing adds."""
    return {name: content for name, content in read_tree(folder).items() if name not in RECORDS}
