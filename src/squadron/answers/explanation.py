"""Says what each window of a question gave, so that a person can see how an answer was chosen."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pyarrow as pa

from squadron.answers.calibration import Calibration
from squadron.answers.merging import find_by_hash, number_rows, score_by_rule


@dataclass(frozen=True)
class AttendedWord:
    """A word of a context to which a model attends. Characters count from 0 in the context."""

    text: str
    start_char: int
    end_char: int
    weight: float
    """The share of the attention, 0 to 1, that the word's tokens get together."""


@dataclass(frozen=True)
class WindowReading:
    """The best span that a model found in one window. Characters count from 0 in the context."""

    start_char: int
    """The first character of the context that the window holds."""
    end_char: int
    """The character after the last one that it holds."""
    text: str
    """The best span of the window; "" if it has none."""
    text_start_char: int
    """The first character of that span; -1 if there is none."""
    text_end_char: int
    """The character after that span; -1 if there is none."""
    score: float
    """Log-odds of that span as the answer rule counts them; -inf if there is none."""
    probability: float | None
    """The calibrated probability that an answer with this score is exactly right, 0 to 1. None
    without a calibration."""
    null_score: float | None
    """The score of "no answer in this window", as the model gives it; None without a span."""
    is_best: bool
    """Whether the best span of the question is from this window. The threshold decides whether that
    span is given as the answer."""
    attended: tuple[AttendedWord, ...] = ()
    """The words that the token attends to most from which the model tells the question's type, most
    attended first (models/attention.py). Empty if the model tells no types."""


def as_rows(windows: Sequence[WindowReading], base: int = 0) -> list[dict[str, object]]:
    """Returns windows as JSON values. A score of -inf, which JSON does not have, becomes None.

    Args:
        windows: The windows of one question.
        base: The character of a document with which the context starts; the rows then count
            characters of the document.
    """
    rows = []
    for window in windows:
        row: dict[str, object] = asdict(window)
        row["start_char"], row["end_char"] = base + window.start_char, base + window.end_char
        if window.text:
            row["text_start_char"] = base + window.text_start_char
            row["text_end_char"] = base + window.text_end_char
        else:
            row["score"] = None
        row["attended"] = [
            asdict(word) | {"start_char": base + word.start_char, "end_char": base + word.end_char}
            for word in window.attended
        ]
        rows.append(row)
    return rows


@dataclass(frozen=True)
class _Best:
    """The best span of a window."""

    score: float
    start_char: int
    end_char: int
    null_score: float

    def order(self) -> tuple[float, int, int]:
        """Returns what sorts the best first, as ranking does: equal scores go by place."""
        return -self.score, self.start_char, self.end_char


def explain_windows(
    extents: pa.Table,
    candidates: Sequence[pa.Table],
    contexts: Sequence[str],
    ids: Sequence[str],
    rule: str,
    calibration: Calibration | None,
    attended: Sequence[tuple[AttendedWord, ...]] = (),
) -> list[tuple[WindowReading, ...]]:
    """Returns what each window of each question gave, in the order of the windows.

    Args:
        extents: The windows, a table of schema `artifacts.EXTENTS`.
        candidates: Tables of schema `artifacts.CANDIDATES`: all candidates of these windows.
        contexts: The context of each question.
        ids: The id of each question.
        rule: One of config.ANSWER_RULES.
        calibration: Turns scores into probabilities; None if the model has none.
        attended: For each window the words that the model attends to; empty if it can't say.
    """
    number_of = {each: number for number, each in enumerate(ids)}
    best = _find_best(candidates, ids, rule)
    # If several windows have the best span with the same score, the first one counts.
    winners = {
        number: min(windows, key=lambda window: (*windows[window].order(), window))
        for number, windows in best.items()
    }
    explained: list[list[WindowReading]] = [[] for _ in ids]
    for place, row in enumerate(extents.to_pylist()):
        number, window = number_of[row["example_id"]], row["window"]
        found = best[number].get(window) if number in best else None
        score = found.score if found else float("-inf")
        span = (found.start_char, found.end_char) if found else (-1, -1)
        explained[number].append(
            WindowReading(
                row["start_char"],
                row["end_char"],
                contexts[number][span[0] : span[1]] if found else "",
                *span,
                score,
                float(calibration.apply(score)) if calibration else None,
                found.null_score if found else None,
                winners.get(number) == window,
                attended[place] if attended else (),
            )
        )
    return [tuple(windows) for windows in explained]


def _find_best(
    candidates: Sequence[pa.Table], ids: Sequence[str], rule: str
) -> dict[int, dict[int, _Best]]:
    """Returns the best span of each window: number of the question -> window -> span."""
    best: dict[int, dict[int, _Best]] = defaultdict(dict)
    if not candidates:
        return best
    table = pa.concat_tables(candidates).combine_chunks()
    example = number_rows(table["example_id"].combine_chunks(), find_by_hash(ids))
    null = table["null_score"].to_numpy()
    score = score_by_rule(example, table["score"].to_numpy(), null, rule)
    columns = (table[name].to_pylist() for name in ("window", "start_char", "end_char"))
    rows = zip(example.tolist(), *columns, score.tolist(), null.tolist(), strict=True)
    for number, window, start, end, each, null_score in rows:
        found = _Best(each, start, end, null_score)
        known = best[number].get(window)
        if known is None or found.order() < known.order():
            best[number][window] = found
    return best
