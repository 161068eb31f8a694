"""Sections as JSON text, and digests of texts."""

import dataclasses
import hashlib
import json
from typing import Any, TypeVar

from squadron.config.conversion import from_mapping

T = TypeVar("T")


def to_json(section: Any) -> str:
    """One section as the one JSON string that a component receives; equal sections, equal text."""
    return json.dumps(dataclasses.asdict(section), sort_keys=True, ensure_ascii=True)


def from_json(cls: type[T], text: str) -> T:
    """The inverse of `to_json`."""
    return from_mapping(cls, json.loads(text))


def digest(*parts: str) -> str:
    """Sixteen hex digits that change when any part changes; used in keys, never for security."""
    return hashlib.sha256("\0".join(parts).encode("utf-8")).hexdigest()[:16]
