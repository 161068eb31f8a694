"""Sorts each wrong answer into exactly one kind, and cuts the excerpt that shows it.

A wrong answer is one with exact match 0. Its kind is the first of these that fits:

- `should_have_abstained`: no gold answer, and something was answered.
- `window_missed_the_answer`: there are gold answers, and no window of the question holds one of
  them whole, so the model never saw it in one piece. What was answered does not matter.
- `should_have_answered`: there are gold answers, and nothing was answered.
- `normalisation_only`: it has the same letters and digits as a gold answer, at any place. It
  differs only in what the official evaluation counts and most readers don't: accents, forms of the
  same character, dashes, quotation marks, currency signs, spaces.
- `boundary`: it shares a character with a gold answer, and its two edges together are at most
  `BOUNDARY_TOKENS` tokens away from the edges of that answer. Spaces separate tokens, and a part of
  a token counts as one.
- `right_sentence`: it shares a character with the sentence of a gold answer. Answers that overlap a
  gold answer and whose edges are further off are among them.
- `wrong_place`: all others.

Sentences end after `.`, `!` or `?` before a space, and at line ends. Abbreviations count as ends,
too, so the count of `right_sentence` is too low rather than too high.
"""

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from squadron.answers.merging import FindNumbers, number_rows
from squadron.artifacts import ERRORS, read_contexts, read_parts

KINDS = (
    "should_have_abstained",
    "window_missed_the_answer",
    "should_have_answered",
    "normalisation_only",
    "boundary",
    "right_sentence",
    "wrong_place",
)
"""In the order in which they are tried."""
BOUNDARY_TOKENS = 3
KIND_TEXTS = {
    "should_have_abstained": "answered where the context has no answer",
    "window_missed_the_answer": "no window held the whole answer: the model never saw it",
    "should_have_answered": "abstained where there is an answer",
    "normalisation_only": "the same letters and digits, written otherwise",
    "boundary": f"the right place, edges off by {BOUNDARY_TOKENS} tokens at most",
    "right_sentence": "in the sentence of the answer",
    "wrong_place": "elsewhere in the context",
}
"""What each kind means, in the words of the report, the model card and MLflow's pages."""
EXCERPT_CHARACTERS = 120
"""Characters of context that are shown before and after an answer."""

Span = tuple[int, int]

_GAP = " … "
_SENTENCE_END = re.compile(r"""[.!?]["'”’)\]]*(?=\s)|\n""")
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_NO_LETTER = re.compile(r"[\W_]+")


def find_reached(
    windows: Iterable[pa.Table],
    find_numbers: FindNumbers,
    gold_spans: npt.NDArray[np.int64],
    gold_counts: npt.NDArray[np.int64],
) -> npt.NDArray[np.bool_]:
    """Says of each question whether a window holds one of its gold answers whole; shape (E,).

    Args:
        windows: Tables of schema `artifacts.EXTENTS`.
        find_numbers: Of questions by their ids.
        gold_spans: Of all gold answers (G, 2) in characters, half-open, question by question.
        gold_counts: Gold answers of each question (E,).
    """
    reached = np.zeros(len(gold_counts), bool)
    first_E = np.cumsum(gold_counts) - gold_counts
    for part in windows:
        owner_W = number_rows(part["example_id"].combine_chunks(), find_numbers)
        known = owner_W >= 0
        owner_W = owner_W[known]
        head_W, tail_W = (part[name].to_numpy()[known] for name in ("start_char", "end_char"))
        # Each window meets each gold answer of its question.
        times_W = gold_counts[owner_W]
        window = np.repeat(np.arange(len(owner_W)), times_W)
        within = np.arange(len(window)) - np.repeat(np.cumsum(times_W) - times_W, times_W)
        gold = gold_spans[first_E[owner_W[window]] + within]
        holds = (head_W[window] <= gold[:, 0]) & (tail_W[window] >= gold[:, 1])
        reached[owner_W[window[holds]]] = True
    return reached


def sort_errors(
    contexts: Sequence[str],
    golds: Sequence[Sequence[Span]],
    spans: Sequence[Span],
    is_wrong: Sequence[bool],
    reached: Sequence[bool] | None = None,
) -> list[str]:
    """Returns the kind of each wrong answer, and "" where the answer is right.

    Args:
        contexts: The contexts of E questions.
        golds: The spans of each question's gold answers in characters, half-open; none where
            nothing answers it.
        spans: The answered ones, (-1, -1) where nothing was answered.
        is_wrong: Whether each exact match is 0.
        reached: As `find_reached` gives it; None if that is not known.

    Returns:
        E values, each of KINDS or "".
    """
    kinds = [""] * len(contexts)
    sentence_ends: dict[str, list[int]] = {}
    for number in np.flatnonzero(is_wrong).tolist():
        context, span, own = contexts[number], spans[number], golds[number]
        if not own:
            kinds[number] = "should_have_abstained"
        elif reached is not None and not reached[number]:
            kinds[number] = "window_missed_the_answer"
        elif span[0] < 0:
            kinds[number] = "should_have_answered"
        else:
            if context not in sentence_ends:
                sentence_ends[context] = [m.end() for m in _SENTENCE_END.finditer(context)]
            kinds[number] = _compare(context, span, own, sentence_ends[context])
    return kinds


def errors_table(
    examples: pa.Table,
    spans: Sequence[Span],
    scores: npt.NDArray[np.float64],
    kinds: Sequence[str],
) -> pa.Table:
    """Returns a row per wrong answer, of schema `artifacts.ERRORS`.

    Args:
        examples: Of schema `artifacts.EXAMPLES`, E rows.
        spans: As for `sort_errors`.
        scores: The score of each question's best candidate, answered or not, shape (E,).
        kinds: As `sort_errors` gives them.
    """
    wrong = [number for number, kind in enumerate(kinds) if kind]
    rows = []
    chosen = examples.take(pa.array(wrong, pa.int64()))  # typed: there may be none
    contexts = read_contexts(chosen)
    chosen = chosen.drop_columns(["context"])
    for number, example, context in zip(wrong, chosen.to_pylist(), contexts, strict=True):
        span = spans[number]
        golds = [(a["start_char"], a["start_char"] + len(a["text"])) for a in example["answers"]]
        gold = min(golds, key=lambda gold: _distance(span, gold), default=(-1, -1))
        text, (answer_start, answer_end), (gold_start, gold_end) = cut_excerpt(context, span, gold)
        rows.append(
            {
                "id": example["id"],
                "question": example["question"],
                "golds": list(dict.fromkeys(a["text"] for a in example["answers"])),
                "answer": context[span[0] : span[1]] if span[0] >= 0 else "",
                "score": float(scores[number]),
                "kind": kinds[number],
                "excerpt": text,
                "answer_start": answer_start,
                "answer_end": answer_end,
                "gold_start": gold_start,
                "gold_end": gold_end,
            }
        )
    return pa.Table.from_pylist(rows, schema=ERRORS)


def cut_excerpt(context: str, answer: Span, gold: Span) -> tuple[str, Span, Span]:
    """Returns the context around an answer and a gold answer, and where both stand in it.

    Where they are far apart, the excerpt is two pieces with an ellipsis between them.

    Args:
        context: The text that holds both.
        answer: In characters, half-open; (-1, -1) for none.
        gold: The same.

    Returns:
        The text, and both spans within it.
    """
    shown = sorted(span for span in (answer, gold) if span[0] >= 0)
    pieces: list[list[int]] = []
    for start, end in shown or [(0, 0)]:
        head, tail = max(0, start - EXCERPT_CHARACTERS), end + EXCERPT_CHARACTERS
        if pieces and head <= pieces[-1][1]:
            pieces[-1][1] = max(pieces[-1][1], tail)
        else:
            pieces.append([head, tail])
    text = ""
    places: list[tuple[int, int, int]] = []
    for head, tail in pieces:
        text += _GAP if places else ""
        places.append((head, tail, len(text) - head))
        text += context[head:tail]

    def move(span: Span) -> Span:
        if span[0] < 0:
            return -1, -1
        shift = next(move for head, tail, move in places if head <= span[0] and span[1] <= tail)
        return span[0] + shift, span[1] + shift

    return text, move(answer), move(gold)


def loosely(text: str) -> str:
    """Returns letters and digits alone, without articles, accents, case and typographic forms."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    plain = "".join(c for c in plain if not unicodedata.combining(c)).casefold()
    return _NO_LETTER.sub("", _ARTICLE.sub(" ", plain))


def _compare(context: str, span: Span, golds: Sequence[Span], ends: list[int]) -> str:
    """Returns the kind of a wrong answer to a question that has gold answers."""
    letters = loosely(context[span[0] : span[1]])
    if letters and letters in {loosely(context[start:end]) for start, end in golds}:
        return "normalisation_only"
    if any(
        _overlap(span, gold) and _tokens_off(context, span, gold) <= BOUNDARY_TOKENS
        for gold in golds
    ):
        return "boundary"
    if any(_overlap(span, _sentence(gold, ends, len(context))) for gold in golds):
        return "right_sentence"
    return "wrong_place"


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _tokens_off(context: str, one: Span, other: Span) -> int:
    return sum(
        len(context[min(edges) : max(edges)].split()) for edges in zip(one, other, strict=True)
    )


def _sentence(span: Span, ends: list[int], length: int) -> Span:
    """Returns the span from the last sentence end before a span to the first one at or after it."""
    before = bisect_right(ends, span[0])
    after = bisect_left(ends, span[1])
    return ends[before - 1] if before else 0, ends[after] if after < len(ends) else length


def _distance(one: Span, other: Span) -> int:
    """Returns 0 for spans that overlap, and any number where there is no first span."""
    return max(0, one[0] - other[1], other[0] - one[1]) if one[0] >= 0 else other[0]


class WrongAnswer(TypedDict):
    """A row of `artifacts.ERRORS`."""

    id: str
    question: str
    golds: list[str]
    answer: str
    score: float
    kind: str
    excerpt: str
    answer_start: int
    answer_end: int
    gold_start: int
    gold_end: int


def sample_rows(errors: pa.Table, limit: int) -> list[WrongAnswer]:
    """Returns at most `limit` rows, evenly spread: neighbours are often about one paragraph."""
    return list(errors.take(spread_rows(errors.num_rows, limit)).to_pylist())


def spread_rows(count: int, limit: int) -> npt.NDArray[np.int64]:
    """Returns the numbers of at most `limit` of `count` rows, evenly spread."""
    return np.linspace(0, count - 1, min(count, limit)).round().astype(np.int64)


def sample_file(path: Path, limit: int) -> list[WrongAnswer]:
    """Returns what `sample_rows` returns of a file, with a part of it in memory at a time."""
    count = sum(map(len, read_parts(path, schema="errors/1", columns=("kind",))))
    wanted = spread_rows(count, limit)
    rows: list[WrongAnswer] = []
    first = 0
    for part in read_parts(path, schema="errors/1"):
        here = wanted[(wanted >= first) & (wanted < first + len(part))]
        rows += part.take(here - first).to_pylist()
        first += len(part)
    return rows
