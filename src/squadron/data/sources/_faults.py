"""The faults of one file, collected so that a person hears of all of them at once."""

from dataclasses import dataclass
from pathlib import Path

from squadron.errors import InputError


@dataclass
class _Kind:
    """Faults that are alike."""

    first: str
    """Where the first one is, and what is wrong there."""
    count: int = 0


class Faults:
    """Counts what is wrong with a file, each kind with its first place.

    Args:
        path: Of the file, for the message.
        remedy: What a person does about a single fault that does not say it itself.
    """

    def __init__(self, path: Path, remedy: str) -> None:
        self._path, self._remedy = path, remedy
        self._kinds: dict[str, _Kind] = {}

    def note(self, kind: str, first: str) -> None:
        """Counts one fault; `first` is kept only of the first fault of its kind."""
        self._kinds.setdefault(kind, _Kind(first)).count += 1

    @property
    def count(self) -> int:
        """Number of faults so far."""
        return sum(kind.count for kind in self._kinds.values())

    def check(self) -> None:
        """Refuses the file if anything is wrong with it.

        Raises:
            InputError: With the kinds of faults, how often each occurs and where it does first.
        """
        if not self._kinds:
            return
        found = [
            kind.first if kind.count == 1 else f"{kind.first} (the first of {kind.count:,})"
            for kind in self._kinds.values()
        ]
        raise InputError(f"{self._path}: {'; '.join(found)}; {self._remedy}")
