"""Compares given documents with those that an index holds."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Changes:
    """What an update has to do. Names of documents, sorted."""

    changed: tuple[str, ...]
    """New documents, and those whose digest is another one."""
    unchanged: tuple[str, ...]
    missing: tuple[str, ...]
    """Documents of the index that are not among the given ones."""

    @classmethod
    def between(cls, held: Mapping[str, str], given: Mapping[str, str]) -> "Changes":
        """Compares two mappings of names to digests: of the index, and of the given documents."""
        changed = {name for name, value in given.items() if held.get(name) != value}
        return cls(
            tuple(sorted(changed)),
            tuple(sorted(given.keys() - changed)),
            tuple(sorted(held.keys() - given.keys())),
        )
