"""Finds the next best answers to a question, each with another text."""

from dataclasses import dataclass

from squadron.answers.calibration import Calibration
from squadron.answers.ranking import Ranked


@dataclass(frozen=True)
class Alternative:
    """A span of a context that is not the best one. `context[start_char:end_char] == text`."""

    text: str
    start_char: int
    end_char: int
    score: float
    """Log-odds of the span against "not answered here"."""
    probability: float | None
    """The probability that the model's calibration gives to this score, 0 to 1. It was fitted on
    best spans, so it is too high for others. None without a calibration."""


def find_alternatives(
    ranked: Ranked, number: int, context: str, most: int, calibration: Calibration | None
) -> tuple[Alternative, ...]:
    """Returns the best spans of a question after the best one, best first.

    No two have the same text, and none has the text of the best span, whatever the case of letters.

    Args:
        ranked: Candidates of several questions.
        number: The number of the question.
        context: Its context.
        most: Maximum number of alternatives.
        calibration: Turns scores into probabilities; None if the model has none.
    """
    if not most:
        return ()
    rows = slice(int(ranked.edges[number]), int(ranked.edges[number + 1]))
    columns = (ranked.start_char[rows], ranked.end_char[rows], ranked.score[rows])
    seen: set[str] = set()
    found: list[Alternative] = []
    for start, end, score in zip(*(column.tolist() for column in columns), strict=True):
        text = context[start:end]
        if text.casefold() in seen:
            continue
        if seen:
            probability = float(calibration.apply(score)) if calibration else None
            found.append(Alternative(text, start, end, score, probability))
        seen.add(text.casefold())
        if len(found) == most:
            break
    return tuple(found)
