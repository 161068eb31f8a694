"""What reading one file may cost. A file that needs more is refused; the other files go on."""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Limits:
    """Limits for reading one file. All are positive."""

    max_megabytes: float = 100
    """Size of the file."""
    max_pages: int = 2000
    """Number of pages of a PDF."""
    max_characters: int = 20_000_000
    """Length of the text."""
    page_seconds: float = 20
    """Wall-clock time without any progress, such as a page that was read."""
    seconds: float = 600
    """Wall-clock time for the whole file."""
    cpu_seconds: int = 300
    """Processor time for the whole file."""
    memory_megabytes: int = 1024
    """Address space of the process that reads, its program (about 150 MB) included."""

    def __post_init__(self) -> None:
        """Raises ValueError if a limit is not positive."""
        for limit in fields(self):
            if not getattr(self, limit.name) > 0:
                value = getattr(self, limit.name)
                raise ValueError(f"documents -> {limit.name} is {value!r}; it must be positive")
