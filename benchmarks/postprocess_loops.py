"""The other sides of bench_postprocess.py: loops over the best starts and ends of each window."""

import collections
from typing import Any

import numpy as np

from squadron.config import Predict

SETTINGS = Predict()


def answer_plainly(
    features: list[tuple[str, list[tuple[int, int] | None]]],
    start_NT: Any,
    end_NT: Any,
    ids: list[str],
    contexts: list[str],
) -> tuple[list[str], Any]:
    """Returns the answer text and the score of every question, by loops over pairs."""
    windows_of = collections.defaultdict(list)
    for number, (example_id, _) in enumerate(features):
        windows_of[example_id].append(number)
    ranked = {}
    for example_id in ids:
        candidates = []
        for number in windows_of[example_id]:
            candidates += pair_up(start_NT[number], end_NT[number], features[number][1])
        ranked[example_id] = pick_best(candidates)
    texts, scores = [], []
    for example_id, context in zip(ids, contexts, strict=True):
        best = ranked[example_id]
        first, last = best[0]["offsets"] if best else (0, 0)
        texts.append(context[first:last])
        scores.append(best[0]["score"] if best else -np.inf)
    return texts, np.array(scores)


def answer_like_a_script(
    windows: Any, start_NT: Any, end_NT: Any, examples: Any
) -> tuple[list[str], dict[str, list[dict[str, Any]]]]:
    """Returns the answer texts and the n best of every question.

    It reads the rows of the datasets as it needs them.
    """
    windows_of = collections.defaultdict(list)
    for number, example_id in enumerate(windows["example_id"]):
        windows_of[example_id].append(number)
    texts, n_best = [], {}
    for example in examples:
        candidates = []
        for number in windows_of[example["id"]]:
            offsets = windows[number]["offset_mapping"]
            candidates += pair_up(start_NT[number], end_NT[number], offsets)
        best = pick_best(candidates)
        weights = np.exp([c["score"] - best[0]["score"] for c in best]) if best else np.zeros(0)
        for candidate, weight in zip(best, weights, strict=True):
            first, last = candidate.pop("offsets")
            candidate["text"] = example["context"][first:last]
            candidate["probability"] = float(weight / weights.sum())
        texts.append(best[0]["text"] if best else "")
        n_best[example["id"]] = [{name: plain_number(c[name]) for name in c} for c in best]
    return texts, n_best


def pair_up(start_T: Any, end_T: Any, offsets: Any) -> list[dict[str, Any]]:
    """Returns a candidate for every allowed pair of the best starts and ends of one window."""
    n_best, most_tokens = SETTINGS.n_best, SETTINGS.max_answer_tokens
    null_score = start_T[0] + end_T[0]
    candidates = []
    best_ends = np.argsort(end_T)[-1 : -n_best - 1 : -1].tolist()
    for start in np.argsort(start_T)[-1 : -n_best - 1 : -1].tolist():
        for end in best_ends:
            if offsets[start] is None or offsets[end] is None:
                continue
            if end < start or end - start + 1 > most_tokens:
                continue
            candidates.append(
                {
                    "offsets": (offsets[start][0], offsets[end][1]),
                    "score": start_T[start] + end_T[end] - null_score,
                    "start_logit": start_T[start],
                    "end_logit": end_T[end],
                }
            )
    return candidates


def pick_best(candidates: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the n best candidates of one question, the best one first."""
    return sorted(candidates, key=lambda c: c["score"], reverse=True)[: SETTINGS.n_best]


def plain_number(value: Any) -> Any:
    """Returns a number of numpy as a number of Python, which JSON can hold."""
    return float(value) if isinstance(value, np.floating) else value
