"""Collects the faults of a file, so that one message lists all of them."""

from dataclasses import dataclass
from pathlib import Path

from squadron.errors import InputError


@dataclass
class _Kind:
    """Faults of one kind."""

    first: str
    """Where the first fault is, and what is wrong there."""
    count: int = 0


class Faults:
    """Counts the faults of a file by kind, each with the place of the first one.

    Args:
        path: Path of the file, for the message.
        remedy: How to fix the file; it ends the message.
    """

    def __init__(self, path: Path, remedy: str) -> None:
        self._path, self._remedy = path, remedy
        self._kinds: dict[str, _Kind] = {}

    def note(self, kind: str, first: str) -> None:
        """Counts a fault; `first` is kept for the first fault of each kind."""
        self._kinds.setdefault(kind, _Kind(first)).count += 1

    @property
    def count(self) -> int:
        """The number of faults so far."""
        return sum(kind.count for kind in self._kinds.values())

    def check(self) -> None:
        """Refuses the file if it has faults.

        Raises:
            InputError: If there are faults. The message has each kind of fault, how often it
                occurs and where it occurs first.
        """
        if not self._kinds:
            return
        found = [
            kind.first if kind.count == 1 else f"{kind.first} (the first of {kind.count:,})"
            for kind in self._kinds.values()
        ]
        raise InputError(f"{self._path}: {'; '.join(found)}; {self._remedy}")
