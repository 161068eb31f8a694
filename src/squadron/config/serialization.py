"""Sections as JSON text, and digests of texts."""

import dataclasses
import hashlib
import json
from typing import Any, TypeVar

from squadron.config.conversion import from_mapping

T = TypeVar("T")


def to_json(section: Any) -> str:
    """Returns a section as the JSON string that a component gets; equal sections, equal text."""
    return json.dumps(dataclasses.asdict(section), sort_keys=True, ensure_ascii=True)


def from_json(cls: type[T], text: str) -> T:
    """Returns the section of class `cls` that `to_json` made a text of.

    Raises:
        InputError: As `from_mapping`.
    """
    return from_mapping(cls, json.loads(text))


def digest(*parts: str) -> str:
    """Returns 16 hexadecimal digits that change if any part changes; not for security."""
    return hashlib.sha256("\0".join(parts).encode("utf-8")).hexdigest()[:16]
