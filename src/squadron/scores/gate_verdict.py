"""What a gate says about the winner of a race."""

from dataclasses import dataclass

MOST_CHARACTERS = 500
"""The longest text of a verdict that becomes the tag of a version."""


@dataclass(frozen=True)
class GateVerdict:
    """What one gate says about the winner of a race."""

    name: str
    """The gate, such as "calibration"."""
    passed: bool
    why: str
    """The reason for the verdict, without a capital letter and a full stop."""
    figure: float | None = None
    """What was measured; None if the gate compares no numbers or the figure is missing."""
    threshold: float | None = None
    """What the figure was compared with; None if it was compared with no number."""
    measured: bool = True
    """Whether there was something to measure. A gate without it passes."""

    @property
    def outcome(self) -> str:
        """What people read: "passed", "failed" or "not measured"."""
        if not self.measured:
            return "not measured"
        return "passed" if self.passed else "failed"

    @property
    def tag(self) -> str:
        """The value of the version's tag `gate_NAME`, such as "passed: its EM is 61.23"."""
        text = f"{'passed' if self.passed else 'failed'}: {self.why}"
        return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"
