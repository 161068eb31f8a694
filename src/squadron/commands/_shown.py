"""What `squadron ask` shows of one answer, as lines for people and as a row for programs."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from squadron.reader import Reading


@dataclass(frozen=True)
class Shown:
    """One answer."""

    lines: list[str]
    """For the terminal."""
    row: dict[str, object]
    """JSON values, for `--json` and `--output`."""


def on_one_line(text: str) -> str:
    """Returns a text with single blanks instead of line ends and other white space."""
    return " ".join(text.split())


def score_lines(reading: "Reading") -> list[str]:
    """Returns the lines about the score and the probability of an answer, or of the best span."""
    score = f"{reading.score:.2f}" if math.isfinite(reading.score) else "none"
    lines = [f"Score:    {score} (log-odds against no answer)"]
    if not reading.answered and reading.best_text:
        lines.insert(0, f"Guess:    {on_one_line(reading.best_text)}")
    if reading.probability is not None:
        lines.append(f"Sure:     {reading.probability:.0%} that the best span is exactly right")
    return lines
