"""Candidates of a split -> answers and figures. This is the one way to judge tune, select and test.

Training judges its epochs with it, too. Epochs are always judged by the answer rule `window`. With
that rule, the EM that picks an epoch is the EM of the table.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from squadron.answers import calibration, ranking
from squadron.answers.answering import Answering
from squadron.artifacts import SCORES, read_contexts
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
    rule: metrics.Rule
    """The official evaluation that applies: v1.1 if every question of the split has an answer."""

    @classmethod
    def read(cls, examples: pa.Table, rule: metrics.Rule | None = None) -> "Questions":
        """Reads a table of schema `artifacts.EXAMPLES`.

        Args:
            examples: All or some questions of a split.
            rule: The rule of the split; None if these are all of its questions.
        """
        answers = examples["answers"].combine_chunks()
        counts = pc.list_value_length(answers).to_numpy()
        flat = answers.flatten()
        texts = iter(flat.field("text").to_pylist())
        golds = [list(islice(texts, count)) for count in counts.tolist()]
        has_answer = counts > 0
        return cls(
            examples["id"].to_pylist(),
            read_contexts(examples),
            examples["title"].to_pylist(),
            golds,
            has_answer,
            read_spans(flat),
            rule or choose_rule(has_answer),
        )

    @property
    def gold_counts(self) -> npt.NDArray[np.int64]:
        """The number of gold answers of each question, shape (E,)."""
        return np.array([len(some) for some in self.golds], np.int64)


def read_spans(answers: pa.StructArray) -> npt.NDArray[np.int64]:
    """Returns start and end in characters of answers, as examples have them; shape (A, 2)."""
    start = answers.field("start_char").to_numpy().astype(np.int64)
    return np.stack([start, start + pc.utf8_length(answers.field("text")).to_numpy()], axis=1)


def choose_rule(has_answer: npt.NDArray[np.bool_]) -> metrics.Rule:
    """Returns the official evaluation that applies to a split."""
    return "v1.1" if has_answer.all() else "v2"


@dataclass(frozen=True)
class BestSpans:
    """The best candidate of each question, whether or not it is the answer. All shapes (E,)."""

    score: npt.NDArray[np.float64]
    """-inf for a question without a candidate."""
    start: npt.NDArray[np.int32]
    """First character; -1 without a candidate, like `end`."""
    end: npt.NDArray[np.int32]
    exact: npt.NDArray[np.float64]
    """Exact match of its text, 0 or 1."""
    f1: npt.NDArray[np.float64]
    """F1 of its text, 0 to 1."""

    @property
    def right(self) -> npt.NDArray[np.bool_]:
        """Whether it is exactly right."""
        return np.asarray((self.exact == 1) & np.isfinite(self.score))


@dataclass(frozen=True)
class Answers:
    """The answers to some questions."""

    best: list[str]
    """The best text of each question, whether or not it exceeds the threshold."""
    chosen: list[str]
    """One answer per question; "" where the context does not answer it."""
    spans: npt.NDArray[np.int64]
    """Start and end in characters of each answer, -1 where it is ""; shape (E, 2)."""
    scores: "AnswerScores"


@dataclass(frozen=True)
class AnswerScores:
    """The scores of answers, all of shape (E,) and 0 to 1."""

    exact: npt.NDArray[np.float64]
    f1: npt.NDArray[np.float64]
    answered: npt.NDArray[np.bool_]
    """Whether the answer is a text."""
    span_accuracy: npt.NDArray[np.float64]
    precision: npt.NDArray[np.float64]
    recall: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """What is known of a split once its answers are scored."""

    best_spans: BestSpans
    figures: SplitFigures
    """Without intervals; `measure_intervals` computes them."""
    null_threshold: float | None
    scores: pa.Table
    """Of schema `artifacts.SCORES`, one row per question."""
    null_thresholds: dict[str, float | None]
    """If searched, the best thresholds by EM (`exact_match`, which is applied) and by F1 (`f1`)."""


@dataclass(frozen=True)
class JudgedAnswers(Judged):
    """A split that was judged in memory, with its answers."""

    answers: Answers


def settle_answering(best: BestSpans, threshold: float | None, rule: str) -> Answering:
    """Returns how a model answers: with probabilities fitted to its answers to the tune split.

    Args:
        best: Of the tune split.
        threshold: The null threshold that was found there.
        rule: One of config.ANSWER_RULES.
    """
    return Answering(threshold, rule, calibration.fit(best.score, best.right))


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


def score_oracle(questions: Questions, ranked: ranking.Ranked) -> npt.NDArray[np.float64]:
    """Returns exact match and F1 of the best that the candidates allow, shape (2, E), 0 to 1.

    An upper bound over all candidates of all windows (`oracle_scores`). No contender is
    ranked by it.
    """
    texts = ranking.all_texts(ranked, questions.contexts)
    pieces = [np.zeros((2, 0))]
    for start in range(0, len(questions.ids), _ORACLE_QUESTIONS):
        golds = questions.golds[start : start + _ORACLE_QUESTIONS]
        some = list(islice(texts, len(golds)))
        pieces.append(np.stack(oracle_scores(golds, some, questions.rule)))
    return np.concatenate(pieces, axis=1)


def find_errors(
    examples: pa.Table,
    questions: Questions,
    answers: Answers,
    best_score: npt.NDArray[np.float64],
    reached: npt.NDArray[np.bool_] | None,
) -> pa.Table:
    """Returns the wrong answers, each with its kind, in a table of schema `artifacts.ERRORS`.

    Args:
        examples: Of schema `artifacts.EXAMPLES`.
        questions: The same examples as questions.
        answers: Their answers.
        best_score: Of the best candidate of each question, shape (E,).
        reached: Whether a window holds a gold answer (`error_kinds.find_reached`), shape (E,);
            None if that is not known.
    """
    flat = iter(questions.gold_spans.tolist())
    golds = [[next(flat) for _ in some] for some in questions.golds]
    wrong = (answers.scores.exact == 0).tolist()
    spans = [(start, end) for start, end in answers.spans.tolist()]
    kinds = error_kinds.sort_errors(
        questions.contexts, golds, spans, wrong, None if reached is None else reached.tolist()
    )
    return error_kinds.errors_table(examples, spans, best_score, kinds)


def judge(
    questions: Questions,
    candidates: Iterable[pa.Table],
    threshold: float | None,
    *,
    search: bool,
    rule: str = "window",
) -> JudgedAnswers:
    """Answers and scores a split in memory.

    Args:
        questions: The questions of the split.
        candidates: Tables of schema `artifacts.CANDIDATES`, as predict writes them. They are read
            one by one.
        threshold: The null threshold to apply; ignored if it is searched.
        search: Whether to search the thresholds that give the best EM and the best F1 here, and to
            apply the one of EM. Only the tune split may be searched, and what was trained on.
        rule: One of config.ANSWER_RULES.
    """
    texts, best = score_best(questions, ranking.rank_parts(candidates, questions.ids, rule))
    thresholds = search_thresholds(best, questions.has_answer) if search else {}
    threshold = thresholds.get("exact_match", threshold)
    answers = choose_answers(questions, texts, best, threshold)
    columns = {
        "id": pa.array(questions.ids, pa.string()),
        "paragraph": significance.cluster_numbers(questions.contexts),
        "title": significance.number_groups(questions.titles),
        "exact_match": answers.scores.exact,
        "f1": answers.scores.f1,
    }
    return JudgedAnswers(
        best_spans=best,
        figures=summarize(questions.has_answer, best, answers.scores),
        null_threshold=threshold,
        scores=pa.table(columns, schema=SCORES),
        null_thresholds=thresholds,
        answers=answers,
    )


def score_best(questions: Questions, ranked: ranking.Ranked) -> tuple[list[str], BestSpans]:
    """Returns the best text of each question, and its scores."""
    texts = ranking.best_texts(ranked, questions.contexts)
    exact, f1 = metrics.score_answers(questions.golds, texts, questions.rule)
    start, end = ranked.best_span().astype(np.int32).T
    return texts, BestSpans(ranked.best_score(), start, end, exact, f1)


def search_thresholds(
    best: BestSpans, has_answer: npt.NDArray[np.bool_]
) -> dict[str, float | None]:
    """Returns the null thresholds with the best EM and F1, as `Judged.null_thresholds` has them."""
    return {
        name: ranking.find_threshold(best.score, each, has_answer)
        for name, each in (("exact_match", best.exact), ("f1", best.f1))
    }


def choose_answers(
    questions: Questions, texts: list[str], best: BestSpans, threshold: float | None
) -> Answers:
    """Answers questions by the null threshold, and scores the answers.

    Args:
        questions: The questions.
        texts: Their best texts.
        best: Their best spans.
        threshold: The null threshold.
    """
    chosen = ranking.apply_threshold(texts, best.score, threshold)
    answered = np.array([bool(text) for text in chosen], bool)
    spans = np.where(answered[:, None], np.stack([best.start, best.end], axis=1), -1)
    spans = spans.astype(np.int64)
    exact, f1 = metrics.score_answers(questions.golds, chosen, questions.rule)
    precision, recall = metrics.score_tokens(questions.golds, chosen, questions.rule)
    both_edges = metrics.score_spans(spans, questions.gold_spans, questions.gold_counts)
    scores = AnswerScores(exact, f1, answered, both_edges, precision, recall)
    return Answers(texts, chosen, spans, scores)


def summarize(
    has_answer: npt.NDArray[np.bool_], best: BestSpans, scores: AnswerScores
) -> SplitFigures:
    """Returns the figures of a split, without intervals.

    Args:
        has_answer: Whether each question has an answer, shape (E,).
        best: The best span of each question.
        scores: Of the answer of each question.
    """
    # This figure tells models apart that reach their best EM by abstaining from everything.
    answerable_f1 = 100.0 * float(best.f1[has_answer].mean()) if has_answer.any() else 0.0
    figures = {
        **read_official(metrics.summarize(scores.exact, scores.f1, has_answer)),
        "all_null_exact_match": 100.0 * float((~has_answer).mean()),
        "answerable_f1": answerable_f1,
    }
    for name in ("answered", "span_accuracy", "precision", "recall"):
        figures[name] = 100.0 * float(getattr(scores, name).mean())
    return from_mapping(SplitFigures, figures)
