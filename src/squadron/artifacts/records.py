"""Writes and reads JSON files whose content is a dataclass, and checks the types both ways.

A record is a frozen dataclass with a class variable `SCHEMA`, the name and version of its file, and
a field `made_from`. Its fields are what `config.from_mapping` reads.
"""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar, Protocol, TypeVar

from squadron.artifacts.json_files import read_json, write_json
from squadron.config import from_mapping
from squadron.config.parsing import parse_json
from squadron.errors import InputError


class Record(Protocol):
    """What every record has."""

    SCHEMA: ClassVar[str]
    """The name and version of its file, such as "race_result/1"."""

    @property
    def made_from(self) -> str:
        """Digest of what it was made from."""


R = TypeVar("R", bound=Record)


def to_content(record: Record) -> dict[str, object]:
    """Returns a record as the JSON object that its file holds.

    Raises:
        InputError: If a field does not have the type that its class declares.
    """
    fields = asdict(record)  # type: ignore[call-overload]  # a protocol can't ask for a dataclass
    # A wrong type would be found by the next step, which could not say who wrote it.
    from_mapping(type(record), fields)
    return {"schema": record.SCHEMA, **fields}


def from_content(cls: type[R], content: Mapping[str, object]) -> R:
    """Returns the record that `to_content` made an object of.

    Raises:
        InputError: If the object has another schema, or fields that the record does not have.
    """
    if content.get("schema") != cls.SCHEMA:
        raise InputError(
            f"A {cls.__name__} has schema {content.get('schema') or 'none'!r}, {cls.SCHEMA!r} is "
            "needed; make it again with this version"
        )
    return from_mapping(cls, {name: value for name, value in content.items() if name != "schema"})


def parse_record(cls: type[R], text: str) -> R:
    """Returns the record in the text of its file, for a file that is not on this disk.

    Raises:
        InputError: As `from_content`, or if the text is not a JSON object.
    """
    try:
        content = parse_json(text)
    except ValueError as error:
        raise InputError(f"A {cls.__name__} is not readable JSON: {error}; make it again") from None
    if not isinstance(content, dict):
        raise InputError(f"A {cls.__name__} is not a JSON object; make it again")
    return from_content(cls, content)


def write_record(path: Path, record: Record) -> None:
    """Writes a record, whole or not at all.

    Raises:
        InputError: As `to_content`, or if the file can't be written.
    """
    try:
        fields = to_content(record)
    except InputError as error:
        raise InputError(f"The file {path} can't be written: {error}") from None
    del fields["schema"], fields["made_from"]
    write_json(path, fields, schema=record.SCHEMA, made_from=record.made_from)


def read_record(cls: type[R], path: Path, *, made_from: str | None = None) -> R:
    """Reads a record.

    Args:
        cls: The class of the record.
        path: Its file.
        made_from: What it must be made from; None accepts anything.

    Raises:
        InputError: As `json_files.read_json`, or if a field is missing, unknown or of another type.
    """
    content = read_json(path, schema=cls.SCHEMA, made_from=made_from)
    try:
        return from_content(cls, content)
    except InputError as error:
        raise InputError(f"The file {path} is damaged: {error}") from None
