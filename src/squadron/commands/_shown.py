"""What `squadron ask` shows of one answer, as lines for people and as a row for programs."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from squadron.answers.explanation import WindowReading
    from squadron.reader import Kind, Reading

MOST_WINDOWS = 20
"""Windows of a text that lines describe; `--json` has all."""


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
    lines = [f"Score:    {_as_text(reading.score)} (log-odds against no answer)"]
    if not reading.answered and reading.best_text:
        lines.insert(0, f"Guess:    {on_one_line(reading.best_text)}")
    if reading.probability is not None:
        lines.append(f"Sure:     {reading.probability:.0%} that the best span is exactly right")
    return lines


def kind_line(kind: "Kind") -> str:
    """Returns the line about the kind of reasoning: what it is, who says so, and why."""
    rules = f"{kind.rules_type}, because of {kind.cue!r}" if kind.cue else kind.rules_type
    if kind.probability is None:
        return f"Kind:     {rules}"
    return f"Kind:     {kind.reasoning_type} (model, {kind.probability:.0%}); rules: {rules}"


def kind_row(kind: "Kind") -> dict[str, object]:
    """Returns the kind of reasoning as JSON values."""
    return {
        "reasoning_type": kind.reasoning_type,
        "reasoning_source": kind.source,
        "reasoning_probability": kind.probability,
        "rules_type": kind.rules_type,
        "cue": kind.cue,
    }


def threshold_line(null_threshold: float | None) -> str:
    """Returns the line that says which score an answer needs."""
    if null_threshold is None:
        return "Needs:    no score; this model has no null threshold and answers every question"
    return f"Needs:    a score above {null_threshold:.2f} (the null threshold)"


def window_lines(reading: "Reading", mark: str) -> list[str]:
    """Returns one line about each window of an explained reading, or about the best ones.

    Args:
        reading: The reading.
        mark: The words after the window with the best span.
    """
    windows = reading.windows or ()
    # Several windows may have the best score; the one that is marked must be shown.
    order = sorted(
        range(len(windows)),
        key=lambda place: (not windows[place].is_best, -windows[place].score),
    )
    lines = []
    for place in sorted(order[:MOST_WINDOWS]):
        window = windows[place]
        what = repr(on_one_line(window.text)) if window.text else "no span"
        extent = f"window {place + 1}, characters {window.start_char} to {window.end_char}"
        end = mark if window.is_best else ""
        lines.append(f"{extent}: {what} ({window_figures(window)}){end}")
    if len(windows) > MOST_WINDOWS:
        lines.append(f"{len(windows) - MOST_WINDOWS} more windows, with lower scores")
    return lines


def window_figures(window: "WindowReading") -> str:
    """Returns the score, the probability and the null score of a window, as far as it has them."""
    figures = [f"score {_as_text(window.score)}"]
    if window.probability is not None:
        figures.append(f"{window.probability:.0%}")
    if window.null_score is not None:
        figures.append(f"null score {window.null_score:.2f}")
    return ", ".join(figures)


def attention_lines(reading: "Reading") -> list[str]:
    """Returns a line about the words of the best window that the model attended to, if known."""
    for window in reading.windows or ():
        if window.is_best and window.attended:
            words = ", ".join(f"{word.text!r} {word.weight:.0%}" for word in window.attended)
            return [f"Attended: {words} (attention of the token that tells the kind)"]
    return []


def mark_choice(*, is_answer: bool) -> str:
    """Returns the words after what was chosen, as the answer or as a mere guess."""
    return " <- the answer" if is_answer else " <- the guess"


def _as_text(score: float) -> str:
    return f"{score:.2f}" if math.isfinite(score) else "none"
