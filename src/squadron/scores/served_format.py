"""The figures of the formats in which the winner of a race can be served."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ServedFormat:
    """One format, on the machine of the step register."""

    name: str
    """One of `config.SERVING_FORMATS`."""
    exact_match: float
    """EM on select, 0 to 100."""
    milliseconds: float
    """Per window, of some questions of select: windows are cut, scored and turned into candidates.
    """
    megabytes: float
    """Of all its weights, those of a backbone included, in units of 1,000,000 bytes."""
    used: bool
    """Whether the winner is registered in this format."""
