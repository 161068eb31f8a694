"""Exact match and F1 as the official SQuAD v1.1 and v2.0 evaluations define them.

Owns answer normalisation, the two scores of one answer, the scores of a whole set and their
summary; besides, token precision and recall and whether a span's edges are right. Pure
functions on strings and arrays: files and their layout belong to `official_layout`.

The two official evaluations share normalisation and exact match, and differ elsewhere:

- "v1.1": F1 is 0 whenever no token is shared, also when both sides have no tokens (then exact
  match is 1 and F1 is 0). Every gold answer counts as it is written.
- "v2": when either side has no tokens, F1 is 1 if both have none and 0 otherwise, so exact match
  never exceeds F1. Gold answers that normalise to nothing are dropped, and a question without gold
  answers has the single gold answer "".

Scores of single answers are 0 to 1, everything in a summary is 0 to 100.

Source: official SQuAD v1.1 and v2.0 evaluations (Rajpurkar et al. 2016, 2018).
"""

import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

Rule = Literal["v2", "v1.1"]
"""Which official evaluation decides about empty answers."""

RULES: tuple[Rule, ...] = ("v2", "v1.1")

_ARTICLES = frozenset({"a", "an", "the"})
_ARTICLE = re.compile(r"\b(?:a|an|the)\b")
_DROP_PUNCTUATION = str.maketrans("", "", string.punctuation)
_LOWER_AND_DROP_PUNCTUATION = str.maketrans(
    string.ascii_uppercase, string.ascii_lowercase, string.punctuation
)


def normalize_answer(text: str) -> str:
    """Reduce an answer to the form in which the official evaluations compare answers.

    Four steps in this order: lower case, drop the 32 ASCII punctuation characters, replace the
    words a, an and the by a space, join what `str.split` finds by single spaces.

    Args:
        text: An answer, any Unicode text.

    Returns:
        Lower-case tokens separated by single spaces, possibly "".
    """
    if _is_plain(text):
        return _drop_article_tokens(text.translate(_LOWER_AND_DROP_PUNCTUATION))
    # The order matters beyond ASCII: the lower case of a capital sigma depends on its neighbours,
    # and a combining accent is no word character, so the "a" of a decomposed "á" is an article.
    words = text.lower().translate(_DROP_PUNCTUATION)
    return " ".join(_ARTICLE.sub(" ", words).split())


def exact_match(prediction: str, gold: str) -> int:
    """Say whether two answers are the same once normalised, under both rules.

    Returns:
        1 or 0.
    """
    return int(normalize_answer(prediction) == normalize_answer(gold))


def f1(prediction: str, gold: str) -> float:
    """Compute the token F1 of two answers under the v2 rule.

    Returns:
        0 to 1; when either side has no tokens, 1 if both have none and 0 otherwise.
    """
    return token_f1(normalize_answer(prediction), normalize_answer(gold), both_empty=1.0)


def f1_v11(prediction: str, gold: str) -> float:
    """Compute the token F1 of two answers under the v1.1 rule.

    Returns:
        0 to 1; 0 when no token is shared, also when both sides have no tokens.
    """
    return token_f1(normalize_answer(prediction), normalize_answer(gold), both_empty=0.0)


def score_answers(
    golds: Sequence[Sequence[str]],
    predictions: Sequence[str | None],
    rule: Rule = "v2",
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Score one prediction per example against its best-matching gold answer.

    Args:
        golds: The gold answers of each example, E sequences. Under "v2" an example without gold
            answers is unanswerable; under "v1.1" every example needs at least one.
        predictions: E predicted answers; None is a missing prediction and scores 0.
        rule: "v2" or "v1.1".

    Returns:
        Exact match (E,), 0 or 1, and F1 (E,), 0 to 1, in the order of the examples.

    Raises:
        ValueError: Lengths differ, the rule is unknown, or the gold answers can't be scored.
    """
    _check_sets(golds, predictions, rule)
    texts = {text for answers in golds for text in answers}
    texts.update(text for text in predictions if text is not None)
    normalized = normalize_all(texts)

    exact_scores: list[float] = []
    f1_scores: list[float] = []
    for answers, prediction in zip(golds, predictions, strict=True):
        if prediction is None:
            exact_scores.append(0.0)
            f1_scores.append(0.0)
            continue
        predicted = normalized[prediction]
        targets = {normalized[text] for text in answers}
        if rule == "v2":
            targets.discard("")
            if not targets:
                targets.add("")
        if predicted in targets:
            exact_scores.append(1.0)
            # No token of an empty prediction is shared with any gold answer: 0 under v1.1.
            f1_scores.append(1.0 if predicted or rule == "v2" else 0.0)
        else:
            # The two sides differ, so the rule about two empty sides can't apply.
            exact_scores.append(0.0)
            f1_scores.append(max(token_f1(predicted, target, both_empty=0.0) for target in targets))
    return np.array(exact_scores, dtype=np.float64), np.array(f1_scores, dtype=np.float64)


def _check_sets(
    golds: Sequence[Sequence[str]], predictions: Sequence[str | None], rule: Rule
) -> None:
    """Refuses what `score_answers` can't score."""
    if rule not in RULES:
        raise ValueError(f"rule is {rule!r}; it must be one of {', '.join(map(repr, RULES))}.")
    if len(golds) != len(predictions):
        raise ValueError(
            f"{len(golds)} lists of gold answers and {len(predictions)} predictions; give one "
            "prediction (None where it is missing) per example."
        )
    for position, answers in enumerate(golds):
        if isinstance(answers, str):
            raise ValueError(
                f"golds[{position}] is the string {answers[:40]!r}; it must be a sequence of "
                "strings, one per gold answer."
            )
        if rule == "v1.1" and not answers:
            raise ValueError(
                f"golds[{position}] is empty; the v1.1 rule needs at least one gold answer per "
                'example, score unanswerable questions with rule="v2".'
            )


def score_tokens(
    golds: Sequence[Sequence[str]],
    predictions: Sequence[str],
    rule: Rule = "v2",
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Token precision and recall of one prediction per example, the two parts of the official F1.

    Tokens are those of the normalised answers. Both figures are of one and the same gold answer:
    that with the highest F1, of equal ones that with the highest precision.

    Args:
        golds: As for `score_answers`.
        predictions: E predicted answers.
        rule: "v2" or "v1.1"; decides, as for F1, about answers without tokens.

    Returns:
        Precision (E,) and recall (E,), 0 to 1, in the order of the examples.
    """
    normalized = normalize_all({text for answers in golds for text in answers} | set(predictions))
    both_empty = 1.0 if rule == "v2" else 0.0
    scores = np.zeros((2, len(predictions)))
    for row, (answers, prediction) in enumerate(zip(golds, predictions, strict=True)):
        predicted = normalized[prediction]
        targets = {normalized[text] for text in answers}
        if rule == "v2":
            targets = targets - {""} or {""}
        if predicted in targets:
            scores[:, row] = 1.0 if predicted else both_empty
        elif predicted:
            pairs = [_token_shares(predicted, target) for target in targets if target]
            scores[:, row] = max(pairs, key=_by_f1, default=(0.0, 0.0))
    return scores[0], scores[1]


def summarize(
    exact: npt.NDArray[np.float64],
    f1: npt.NDArray[np.float64],
    has_answer: npt.ArrayLike,
) -> dict[str, float]:
    """Average the scores of a set as the official v2.0 evaluation reports them.

    Args:
        exact: Exact match (E,), 0 or 1, in the order of the data set.
        f1: F1 (E,), 0 to 1, in the same order.
        has_answer: Whether each question has a gold answer (E,), bool.

    Returns:
        exact, f1, total, then HasAns_exact, HasAns_f1, HasAns_total when a question has an answer,
        then NoAns_exact, NoAns_f1, NoAns_total when a question has none. Scores are 0 to 100,
        totals are int. The figures equal the official ones to the last digit.

    Raises:
        ValueError: There is no example, or the three arrays don't have the same length.
    """
    answerable = np.asarray(has_answer)
    if exact.ndim != 1 or not exact.shape == f1.shape == answerable.shape:
        raise ValueError(
            f"exact has shape {exact.shape}, f1 {f1.shape} and has_answer {answerable.shape}; all "
            "three must be (E,), one value per example."
        )
    if not exact.size:
        raise ValueError("There is no example to average; give at least one.")
    if answerable.dtype != np.bool_:
        raise ValueError(f"has_answer has dtype {answerable.dtype}; it must be bool.")
    summary = _average(exact, f1, prefix="")
    for prefix, chosen in (("HasAns_", answerable), ("NoAns_", ~answerable)):
        if chosen.any():
            summary |= _average(exact[chosen], f1[chosen], prefix)
    return summary


def score_spans(
    spans: npt.NDArray[np.int64],
    gold_spans: npt.NDArray[np.int64],
    gold_counts: npt.NDArray[np.int64],
) -> npt.NDArray[np.float64]:
    """Say of each example whether its span begins and ends exactly where a gold answer does.

    Args:
        spans: Start and end in characters (E, 2), half-open; (-1, -1) where nothing is answered.
        gold_spans: Of all gold answers (G, 2), example by example.
        gold_counts: Gold answers of each example (E,); one with none is right if it is unanswered.

    Returns:
        1 or 0 (E,).
    """
    owner_G = np.repeat(np.arange(len(spans)), gold_counts)
    is_same_G = (spans[owner_G] == gold_spans).all(axis=1)
    hits = np.bincount(owner_G[is_same_G], minlength=len(spans))
    is_right = hits > 0
    is_right |= (gold_counts == 0) & (spans[:, 0] < 0)
    return np.where(is_right, 1.0, 0.0)


def _average(
    exact: npt.NDArray[np.float64], f1: npt.NDArray[np.float64], prefix: str
) -> dict[str, float]:
    total = len(exact)
    # The official figure is 100.0 * sum / total with one addition after the other in the order of
    # the data set. np.cumsum adds in that order; np.sum adds in pairs and Python's sum compensates
    # rounding errors from 3.12 on, and both change the last digit.
    return {
        f"{prefix}exact": 100.0 * float(np.cumsum(exact)[-1]) / total,
        f"{prefix}f1": 100.0 * float(np.cumsum(f1)[-1]) / total,
        f"{prefix}total": total,
    }


def _is_plain(text: str) -> bool:
    """Say whether a text has printable ASCII only, where words are exactly what spaces separate."""
    return text.isascii() and text.isprintable()


def _drop_article_tokens(words: str) -> str:
    return " ".join([token for token in words.split() if token not in _ARTICLES])


def normalize_all(texts: Iterable[str]) -> dict[str, str]:
    """Normalise every text once; the plain ones are translated together, one per line."""
    normalized: dict[str, str] = {}
    plain: list[str] = []
    for text in texts:
        if _is_plain(text):
            plain.append(text)
        else:
            normalized[text] = normalize_answer(text)
    # A newline is not printable, so no plain text contains the separator.
    lines = "\n".join(plain).translate(_LOWER_AND_DROP_PUNCTUATION).split("\n")
    if plain:
        normalized.update(zip(plain, map(_drop_article_tokens, lines), strict=True))
    return normalized


def _by_f1(shares: tuple[float, float]) -> tuple[float, float]:
    precision, recall = shares
    return (precision * recall / (precision + recall) if precision else 0.0), precision


def token_f1(predicted: str, gold: str, both_empty: float) -> float:
    """F1 of two normalised answers; `both_empty` is the score when neither has tokens."""
    if not predicted or not gold:
        return both_empty if predicted == gold else 0.0
    precision, recall = _token_shares(predicted, gold)
    return (2 * precision * recall) / (precision + recall) if precision else 0.0


def _token_shares(predicted: str, gold: str) -> tuple[float, float]:
    """Precision and recall of two normalised answers that have tokens."""
    predicted_tokens = predicted.split(" ")
    gold_tokens = gold.split(" ")
    predicted_kinds = set(predicted_tokens)
    gold_kinds = set(gold_tokens)
    shared = len(predicted_kinds & gold_kinds)
    if not shared:
        return 0.0, 0.0
    if len(predicted_kinds) < len(predicted_tokens) and len(gold_kinds) < len(gold_tokens):
        # A token can be shared more than once only where both sides repeat tokens.
        shared = (Counter(predicted_tokens) & Counter(gold_tokens)).total()
    return shared / len(predicted_tokens), shared / len(gold_tokens)
