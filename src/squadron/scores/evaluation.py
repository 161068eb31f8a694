"""Candidates of a split -> answers and figures. This is the one way to judge tune, select and test.

Training judges its epochs with it, too. Epochs are always judged by the answer rule `window`. With
that rule, the EM that picks an epoch is the EM of the table.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from squadron.answers import calibration, ranking
from squadron.answers.answering import Answering
from squadron.artifacts import SCORES, read_contexts, write_official
from squadron.config import from_mapping
from squadron.scores import error_kinds, metrics, significance
from squadron.scores.figures import SplitFigures, read_official
from squadron.scores.oracle import oracle_scores

_ORACLE_QUESTIONS = 1000
"""The number of questions whose candidates are in memory as texts at once."""


@dataclass(frozen=True)
class Questions:
    """The questions and gold answers of a split, in the order of the examples."""

    ids: list[str]
    contexts: list[str]
    titles: list[str]
    golds: list[list[str]]
    has_answer: npt.NDArray[np.bool_]
    gold_spans: npt.NDArray[np.int64]
    """Start and end in characters of all gold answers, question by question; shape (G, 2)."""

    @classmethod
    def read(cls, examples: pa.Table) -> "Questions":
        """Reads a table of schema `artifacts.EXAMPLES`."""
        answers = examples["answers"].to_pylist()
        golds = [[answer["text"] for answer in some] for some in answers]
        has_answer = np.array([bool(some) for some in golds], bool)
        spans = [
            (a["start_char"], a["start_char"] + len(a["text"])) for some in answers for a in some
        ]
        return cls(
            examples["id"].to_pylist(),
            read_contexts(examples),
            examples["title"].to_pylist(),
            golds,
            has_answer,
            np.array(spans, np.int64).reshape(-1, 2),
        )

    @property
    def rule(self) -> metrics.Rule:
        """The official evaluation that applies: v1.1 if every question has an answer."""
        return "v1.1" if self.has_answer.all() else "v2"


@dataclass(frozen=True)
class Judged:
    """The answers of one split and their figures."""

    chosen: list[str]
    """One answer per question; "" where the context does not answer it."""
    spans: npt.NDArray[np.int64]
    """Start and end in characters of each answer, -1 where it is ""; shape (E, 2)."""
    best: list[str]
    """The best text of each question, whether or not it exceeds the threshold."""
    ranked: ranking.Ranked
    figures: SplitFigures
    """Without intervals; `measure_intervals` computes them."""
    null_threshold: float | None
    scores: pa.Table
    """Of schema `artifacts.SCORES`, one row per question."""
    null_thresholds: dict[str, float | None]
    """If searched, the best thresholds by EM (`exact_match`, which is applied) and by F1 (`f1`)."""
    right: npt.NDArray[np.bool_]
    """Whether the best text is exactly right, whether or not it is answered; shape (E,)."""


def settle_answering(judged: Judged, rule: str) -> Answering:
    """Returns the threshold that was found on the tune split, and probabilities fitted to it."""
    mapping = calibration.fit(judged.ranked.best_score(), judged.right)
    return Answering(judged.null_threshold, rule, mapping)


def measure_intervals(judged: Judged) -> SplitFigures:
    """Returns the figures with 95 % intervals of EM and F1, and what these were made from.

    Intervals by title are there from `significance.LEAST_CLUSTERS` titles on.
    """
    found: dict[str, Any] = {}
    for unit, infix in (("paragraph", ""), ("title", "_title")):
        clusters = judged.scores[unit].to_numpy()
        count = len(np.unique(clusters))
        found[f"{unit}s"] = count
        if infix and count < significance.LEAST_CLUSTERS:
            continue
        for name in ("exact_match", "f1"):
            low, high = significance.interval(100 * judged.scores[name].to_numpy(), clusters)
            found |= {f"{name}{infix}_low": low, f"{name}{infix}_high": high}
    return replace(judged.figures, **found)


def measure_oracle(judged: Judged, questions: Questions) -> dict[str, float]:
    """Returns `oracle_exact_match` and `oracle_f1`: the best that the candidates would allow.

    An upper bound over all candidates of all windows (`oracle_scores`). No contender is
    ranked by it.
    """
    texts = ranking.all_texts(judged.ranked, questions.contexts)
    pieces = []
    for start in range(0, len(questions.ids), _ORACLE_QUESTIONS):
        golds = questions.golds[start : start + _ORACLE_QUESTIONS]
        some = list(islice(texts, len(golds)))
        pieces.append(oracle_scores(golds, some, questions.rule))
    return {
        f"oracle_{name}": 100.0 * float(np.concatenate(parts).mean())
        for name, parts in zip(("exact_match", "f1"), zip(*pieces, strict=True), strict=True)
    }


def write_answers(folder: Path, questions: Questions, judged: Judged) -> None:
    """Writes answers.json, predictions.json and null_odds.json in the official layout.

    `answers` are the answers. The official search of thresholds reads the other two: what it would
    answer if it had to, and how likely it is that a question has no answer.
    """
    contents: dict[str, list[Any]] = {
        "answers": judged.chosen,
        "predictions": judged.best,
        "null_odds": ranking.null_odds(judged.ranked.best_score()).tolist(),
    }
    for name, values in contents.items():
        write_official(folder / f"{name}.json", zip(questions.ids, values, strict=True))


def list_best(
    judged: Judged,
    questions: Questions,
    n_best: int,
    mapping: calibration.Calibration | None,
) -> Iterator[list[ranking.Best]]:
    """Returns the n best of each question for nbest.json; the best has its `probability`.

    The others have none: the mapping was fitted to best answers (docs/decisions/calibration.md).
    """
    lists = ranking.list_best(judged.ranked, questions.contexts, n_best)
    sure = mapping.apply(judged.ranked.best_score()).tolist() if mapping else None
    for number, some in enumerate(lists):
        if some and sure:
            some[0]["probability"] = sure[number]
        yield some


def find_errors(
    examples: pa.Table, questions: Questions, judged: Judged, extents: pa.Table | None
) -> pa.Table:
    """Returns the wrong answers, each with its kind, in a table of schema `artifacts.ERRORS`.

    Args:
        examples: Of schema `artifacts.EXAMPLES`.
        questions: The same examples as questions.
        judged: Their answers.
        extents: What the windows hold, of schema `artifacts.EXTENTS`; None if that is not known.
    """
    counts = np.array([len(some) for some in questions.golds], np.int64)
    reached = None
    if extents is not None:
        found = error_kinds.find_reached(extents, questions.ids, questions.gold_spans, counts)
        reached = found.tolist()
    flat = iter(questions.gold_spans.tolist())
    golds = [[next(flat) for _ in range(count)] for count in counts.tolist()]
    wrong = (judged.scores["exact_match"].to_numpy() == 0).tolist()
    spans = [(start, end) for start, end in judged.spans.tolist()]
    kinds = error_kinds.sort_errors(questions.contexts, golds, spans, wrong, reached)
    return error_kinds.errors_table(examples, spans, judged.ranked.best_score(), kinds)


def judge(
    questions: Questions,
    candidates: Iterable[pa.Table],
    threshold: float | None,
    *,
    search: bool,
    rule: str = "window",
) -> Judged:
    """Answers and scores a split.

    Args:
        questions: The questions of the split.
        candidates: Tables of schema `artifacts.CANDIDATES`, as predict writes them. They are read
            one by one.
        threshold: The null threshold to apply; ignored if it is searched.
        search: Whether to search the thresholds that give the best EM and the best F1 here, and to
            apply the one of EM. Only the tune split may be searched, and what was trained on.
        rule: One of config.ANSWER_RULES.
    """
    ranked = ranking.rank_parts(candidates, questions.ids, rule)
    texts, best = ranking.best_texts(ranked, questions.contexts), ranked.best_score()
    exact, f1 = metrics.score_answers(questions.golds, texts, questions.rule)
    right = (exact == 1) & np.isfinite(best)
    # This figure tells models apart that reach their best EM by abstaining from everything.
    has_answer = questions.has_answer
    answerable_f1 = 100.0 * float(f1[has_answer].mean()) if has_answer.any() else 0.0
    thresholds: dict[str, float | None] = {}
    if search:
        for name, each in (("exact_match", exact), ("f1", f1)):
            thresholds[name] = ranking.find_threshold(best, each, has_answer)
        threshold = thresholds["exact_match"]
    chosen = ranking.apply_threshold(texts, best, threshold)
    spans = ranked.best_span()
    spans[np.array([not text for text in chosen])] = -1
    exact, f1 = metrics.score_answers(questions.golds, chosen, questions.rule)
    figures = {
        **read_official(metrics.summarize(exact, f1, has_answer)),
        "answered": 100.0 * float(np.mean([bool(text) for text in chosen])),
        "all_null_exact_match": 100.0 * float((~has_answer).mean()),
        "answerable_f1": answerable_f1,
        **_span_and_token_figures(questions, chosen, spans),
    }
    return Judged(
        chosen=chosen,
        spans=spans,
        best=texts,
        ranked=ranked,
        figures=from_mapping(SplitFigures, figures),
        null_threshold=threshold,
        scores=_table_of_scores(questions, exact, f1),
        null_thresholds=thresholds,
        right=right,
    )


def _span_and_token_figures(
    questions: Questions, chosen: list[str], spans: npt.NDArray[np.int64]
) -> dict[str, float]:
    """Returns `span_accuracy`, `precision` and `recall` of the answers, 0 to 100."""
    counts = np.array([len(some) for some in questions.golds], np.int64)
    both_edges = metrics.score_spans(spans, questions.gold_spans, counts)
    precision, recall = metrics.score_tokens(questions.golds, chosen, questions.rule)
    means = {"span_accuracy": both_edges, "precision": precision, "recall": recall}
    return {name: 100.0 * float(values.mean()) for name, values in means.items()}


def _table_of_scores(
    questions: Questions, exact: npt.NDArray[Any], f1: npt.NDArray[Any]
) -> pa.Table:
    columns = {
        "id": pa.array(questions.ids, pa.string()),
        "paragraph": significance.cluster_numbers(questions.contexts),
        "title": significance.number_groups(questions.titles),
        "exact_match": exact,
        "f1": f1,
    }
    return pa.table(columns, schema=SCORES)
