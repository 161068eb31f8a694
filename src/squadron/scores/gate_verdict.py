"""What a gate says about the winner of a race."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PASSED, FAILED = "passed", "failed"
_TAG = "gate_"
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
        return PASSED if self.passed else FAILED

    @property
    def tag(self) -> str:
        """The value of the version's tag `gate_NAME`, such as "passed: its EM is 61.23"."""
        text = f"{PASSED if self.passed else FAILED}: {self.why}"
        return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"


def as_tags(verdicts: Iterable[GateVerdict]) -> dict[str, str]:
    """Returns the tags of a version that hold verdicts; `read_tags` reads them."""
    return {f"{_TAG}{verdict.name}": verdict.tag for verdict in verdicts}


def read_tags(tags: Mapping[str, str]) -> list[GateVerdict]:
    """Returns the verdicts among the tags of a version, the failed ones first.

    A tag has neither figure nor threshold, and a long reason is cut.
    """
    found = []
    for key, text in sorted(tags.items()):
        result, _, why = text.partition(":")
        if key.startswith(_TAG) and result in (PASSED, FAILED):
            found.append(GateVerdict(key.removeprefix(_TAG), result == PASSED, why.strip()))
    return sorted(found, key=lambda each: each.passed)
