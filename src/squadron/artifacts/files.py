"""What all artifacts share."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from squadron.errors import InputError


@dataclass(frozen=True)
class Artifact:
    """What a file says about itself."""

    schema: str
    made_from: str


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Gives a temporary sibling to write to; it takes the name `path` only if nothing was raised.

    Raises:
        InputError: If the folder can't be written to, or something else stands in the way.
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
