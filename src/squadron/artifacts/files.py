"""Writes a file whole or not at all, and checks what a file says about itself."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from squadron.errors import InputError


@dataclass(frozen=True)
class Artifact:
    """What a file says about itself: its schema, and a digest of what it was made from."""

    schema: str
    made_from: str


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yields a temporary file beside `path`, and renames it to `path` if nothing was raised.

    Raises:
        InputError: If the folder can't be written to, or another file or folder is in the way.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        yield temporary
        temporary.replace(path)
    except PermissionError as error:
        raise InputError(
            f"No permission to write {error.filename or path}; allow it or choose another folder"
        ) from None
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise InputError(
            f"The file {path} can't be written: {error.filename2 or error.filename} is in the way "
            f"({error.strerror}); move it or choose another folder"
        ) from None
    finally:
        with contextlib.suppress(OSError, UnboundLocalError):
            temporary.unlink(missing_ok=True)


def check_artifact(path: Path, found: Artifact, schema: str, made_from: str | None) -> None:
    """Refuses a file that is not the one that is needed.

    Args:
        path: The file.
        found: What the file says about itself.
        schema: The schema that is needed.
        made_from: What it must be made from; None accepts anything.

    Raises:
        InputError: If the schema or the origin differs.
    """
    if found.schema != schema:
        raise InputError(
            f"The file {path} has schema {found.schema or 'none'!r}, {schema!r} is needed; "
            "make it again with this version"
        )
    if made_from is not None and found.made_from != made_from:
        raise InputError(
            f"The file {path} was made from {found.made_from!r}, not from {made_from!r}; "
            "it belongs to another run"
        )
