"""Writes and reads JSON files."""

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from squadron.artifacts.files import Artifact, check_artifact, written_whole
from squadron.config.parsing import parse_json
from squadron.errors import InputError


def write_json(path: Path, content: Mapping[str, object], *, schema: str, made_from: str) -> None:
    """Writes a JSON object that begins with `schema` and `made_from`."""
    with written_whole(path) as temporary:
        text = json.dumps(
            {"schema": schema, "made_from": made_from, **content}, indent=1, ensure_ascii=False
        )
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path, *, schema: str, made_from: str | None = None) -> dict[str, object]:
    """Reads a JSON object.

    Raises:
        InputError: If the file is missing, not a JSON object, of another schema, or not made from
            `made_from` (where given).
    """
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"The file {path} does not exist; run the step that makes it") from None
    except (OSError, ValueError) as error:
        raise InputError(f"The file {path} is not readable JSON: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"The file {path} is not a JSON object")
    check_artifact(
        path,
        Artifact(str(content.get("schema", "")), str(content.get("made_from", ""))),
        schema,
        made_from,
    )
    return content


def write_official(path: Path, content: Iterable[tuple[str, object]]) -> None:
    """Writes JSON in the official layout, which has the ids at the top and no schema.

    Args:
        path: The file.
        content: Pairs of id and value, which are written one after the other.
    """
    with official_in_parts(path) as add:
        add(content)


@contextlib.contextmanager
def official_in_parts(path: Path) -> Iterator[Callable[[Iterable[tuple[str, object]]], None]]:
    """Yields a function that adds pairs of id and value to JSON in the official layout."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        separator = "{"

        def add(content: Iterable[tuple[str, object]]) -> None:
            nonlocal separator
            for name, value in content:
                file.write(f"{separator}{encode(name)}: {encode(value)}")
                separator = ", "

        yield add
        file.write("}" if separator == ", " else "{}")
