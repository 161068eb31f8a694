"""Candidates of a split -> answers and figures: the one way to judge tune, select and test.

Training judges its epochs with it too, so the EM that picks an epoch is the EM of the table, unless
the experiment has another answer rule than `window`, by which epochs are always judged.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from squadron.answers import calibration, ranking
from squadron.answers.answering import Answering
from squadron.artifacts import SCORES, read_contexts, write_official
from squadron.data.question_types import TYPES, score_types
from squadron.scores import error_kinds, metrics, significance

_ORACLE_QUESTIONS = 1000
"""Of so many questions the texts of all candidates are in memory at once."""


@dataclass(frozen=True)
class Questions:
    """What a split is judged against, in the order of the examples."""

    ids: list[str]
    contexts: list[str]
    titles: list[str]
    golds: list[list[str]]
    has_answer: npt.NDArray[np.bool_]
    gold_spans: npt.NDArray[np.int64]
    """Start and end in characters of all gold answers, question by question, shape (G, 2)."""

    @classmethod
    def read(cls, examples: pa.Table) -> "Questions":
        """Of a table of schema `artifacts.EXAMPLES`."""
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
        """The official evaluation that fits: v1.1 if every question has an answer."""
        return "v1.1" if self.has_answer.all() else "v2"


@dataclass(frozen=True)
class Judged:
    """Answers of one split and what they are worth."""

    chosen: list[str]
    """One per question; "" where the context does not answer it."""
    spans: npt.NDArray[np.int64]
    """Start and end in characters of each answer, -1 where it is ""; shape (E, 2)."""
    best: list[str]
    """What it would answer if it had to: the best text of each question, threshold or not."""
    ranked: ranking.Ranked
    summary: dict[str, float]
    """The official figures, `answered` (share of questions, 0 to 100) and `all_null_exact`; then
    `answerable_f1`, F1 on the answerable questions if each were answered, threshold or not;
    `span_accuracy` (both edges exactly right) and mean token `precision` and `recall`, 0 to 100."""
    null_threshold: float | None
    scores: pa.Table
    """Of schema `artifacts.SCORES`, one row per question."""
    null_thresholds: dict[str, float | None]
    """Where searched: the best by EM (`exact`, the one applied) and the best by F1 (`f1`)."""
    right: npt.NDArray[np.bool_]
    """Whether the best answer, threshold or not, is exactly right; shape (E,)."""


def settle_answering(judged: Judged, rule: str) -> Answering:
    """What the tune split teaches: the threshold found there, and probabilities fitted there."""
    mapping = calibration.fit(judged.ranked.best_score(), judged.right)
    return Answering(judged.null_threshold, rule, mapping)


def add_intervals(judged: Judged) -> None:
    """Puts 95 % intervals of EM and F1 into the summary, and what they were made from.

    `exact_low`, `exact_high`, `f1_low` and `f1_high` hold for more paragraphs of these titles.
    `exact_title_low` and so on hold for other titles, and are there from
    `significance.LEAST_CLUSTERS` titles on. `paragraphs` and `titles` are how many there are. Where
    all questions share one context, each question counts as a paragraph.
    """
    for unit, infix in (("paragraph", ""), ("title", "_title")):
        clusters = judged.scores[unit].to_numpy()
        count = len(np.unique(clusters))
        judged.summary[f"{unit}s"] = count
        if infix and count < significance.LEAST_CLUSTERS:
            continue
        for name in ("exact", "f1"):
            low, high = significance.interval(100 * judged.scores[name].to_numpy(), clusters)
            judged.summary.update({f"{name}{infix}_low": low, f"{name}{infix}_high": high})


def add_confidence(judged: Judged, mapping: calibration.Calibration | None) -> dict[str, Any]:
    """Puts `ece_before`, `ece` and `aurc`, all 0 to 1, into the summary.

    For splits that the mapping was not fitted on.

    Args:
        judged: Of the split.
        mapping: Of scores to probabilities; None, of an old registered model, has no `ece`.

    Returns:
        For confidence.json: the groups of the calibration error (`reliability`), and at most
        `calibration.POINTS` points of the curve (`risk_coverage`), each with the probability of
        the last answer given.
    """
    score, right = judged.ranked.best_score(), judged.right
    before = calibration.sigmoid(score)
    probability = before if mapping is None else mapping.apply(score)
    judged.summary["ece_before"] = calibration.expected_calibration_error(before, right)
    if mapping is not None:
        judged.summary["ece"] = calibration.expected_calibration_error(probability, right)
    # By score: it parts what rounding or a constant mapping makes equal.
    curve = calibration.risk_coverage(score, right)
    judged.summary["aurc"] = curve.area
    bins = calibration.reliability(probability, right)
    places = np.linspace(0, len(score) - 1, min(len(score), calibration.POINTS)).round().astype(int)
    points = (curve.coverage[places], curve.risk[places], -np.sort(-probability)[places])
    return {
        "calibrated": mapping is not None,
        "reliability": [
            {"questions": int(size), "probability": float(said), "right": float(true)}
            for size, said, true in zip(bins.size, bins.probability, bins.right, strict=True)
        ],
        "risk_coverage": [
            dict(zip(("coverage", "risk", "probability"), map(float, point), strict=True))
            for point in zip(*points, strict=True)
        ],
    }


def write_answers(folder: Path, questions: Questions, judged: Judged) -> None:
    """Writes answers.json, predictions.json and null_odds.json in the official layout.

    `answers` are the answers; `predictions` and `null_odds`, what it would answer if it had to and
    how likely each question has no answer, are for the official search of thresholds.
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
) -> Iterator[list[dict[str, Any]]]:
    """The n best of each question for nbest.json; the best one with its `probability`.

    The others have none: the mapping was fitted on best ones (docs/decisions/calibration.md).
    """
    lists = ranking.rank_as_dicts(judged.ranked, questions.contexts, n_best)
    sure = mapping.apply(judged.ranked.best_score()).tolist() if mapping else None
    for number, some in enumerate(lists):
        if some and sure:
            some[0]["probability"] = sure[number]
        yield some


def find_errors(
    examples: pa.Table, questions: Questions, judged: Judged, extents: pa.Table | None
) -> pa.Table:
    """The wrong answers, each with its kind, of schema `artifacts.ERRORS`.

    Args:
        examples: Of schema `artifacts.EXAMPLES`.
        questions: Of the same examples.
        judged: Their answers.
        extents: Of schema `artifacts.EXTENTS`, what the windows hold; None if that is not known.
    """
    counts = np.array([len(some) for some in questions.golds], np.int64)
    reached = None
    if extents is not None:
        found = error_kinds.find_reached(extents, questions.ids, questions.gold_spans, counts)
        reached = found.tolist()
    flat = iter(questions.gold_spans.tolist())
    golds = [[next(flat) for _ in range(count)] for count in counts.tolist()]
    wrong = (judged.scores["exact"].to_numpy() == 0).tolist()
    spans = [(start, end) for start, end in judged.spans.tolist()]
    kinds = error_kinds.sort_errors(questions.contexts, golds, spans, wrong, reached)
    return error_kinds.errors_table(examples, spans, judged.ranked.best_score(), kinds)


def add_oracle(judged: Judged, questions: Questions) -> None:
    """Puts `oracle_exact_match` and `oracle_f1` into the summary: what the candidates would allow.

    An upper bound over all candidates of all windows (metrics.oracle_scores), never ranked on.
    """
    texts = ranking.all_texts(judged.ranked, questions.contexts)
    pieces = []
    for start in range(0, len(questions.ids), _ORACLE_QUESTIONS):
        golds = questions.golds[start : start + _ORACLE_QUESTIONS]
        some = list(islice(texts, len(golds)))
        pieces.append(metrics.oracle_scores(golds, some, questions.rule))
    for name, parts in zip(("exact_match", "f1"), zip(*pieces, strict=True), strict=True):
        judged.summary[f"oracle_{name}"] = 100.0 * float(np.concatenate(parts).mean())


def compare_with_winner(winner: pa.Table, others: dict[str, pa.Table]) -> list[dict[str, Any]]:
    """How sure the winner's lead in EM is, over each of the others.

    p and the interval are corrected for all pairs of the race (`significance.compare_all`). Whether
    a lead is `significant` is decided by paragraph, so it holds for these titles. `title_low` and
    `title_high` are the interval for other titles; they are None where there are too few titles.

    Args:
        winner: Its scores on the select split, of schema `artifacts.SCORES`.
        others: The scores of the other contenders by label, on the same questions in the same
            order.
    """
    ids = winner["id"]
    for label, scores in others.items():
        if not scores["id"].equals(ids):
            raise ValueError(f"{label} was judged on other questions than the winner")
    exact = [100 * table["exact"].to_numpy() for table in (winner, *others.values())]
    by_paragraph, by_title = (
        significance.compare_all(exact, 0, winner[unit].to_numpy())
        for unit in ("paragraph", "title")
    )
    return [
        {
            "label": label,
            **asdict(lead),
            "significant": lead.p < significance.SIGNIFICANT,
            "title_low": elsewhere.low,
            "title_high": elsewhere.high,
        }
        for label, lead, elsewhere in zip(others, by_paragraph, by_title, strict=True)
    ]


def choose_types(windows: pa.Table, example_ids: Sequence[str]) -> list[str]:
    """The type of each question: the most likely one over all its windows.

    Args:
        windows: Of schema `artifacts.WINDOW_TYPES`.
        example_ids: The questions, each with a window, in the order of the result.
    """
    example = pc.index_in(windows["example_id"], value_set=pa.array(example_ids, pa.string()))
    flat = windows["log_probabilities"].combine_chunks().flatten().to_numpy()
    log_NC = flat.astype(np.float64).reshape(windows.num_rows, len(TYPES))
    total_EC = np.zeros((len(example_ids), log_NC.shape[1]))
    np.add.at(total_EC, example.to_numpy(), log_NC)
    return [TYPES[place] for place in total_EC.argmax(1)]


def judge_types(predicted: Sequence[str], examples: pa.Table) -> dict[str, float]:
    """Figures on types: against labels of the data, and apart from them against the rules'.

    Args:
        predicted: A type per question.
        examples: Of schema `artifacts.EXAMPLES`, in the same order.

    Returns:
        `types_{figure}` on questions that the data labels and `types_rules_{figure}` on those that
        only rules did, with the figures of question_types.score_types.
    """
    wanted, sources = examples["reasoning_type"].to_pylist(), examples["label_source"].to_pylist()
    figures: dict[str, float] = {}
    for source, prefix in (("data", "types"), ("rules", "types_rules")):
        rows = [number for number, each in enumerate(sources) if each == source]
        some = score_types([predicted[n] for n in rows], [wanted[n] for n in rows])
        figures |= {f"{prefix}_{name}": value for name, value in some.items()}
    return figures


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
        questions: Of the split.
        candidates: Tables of schema `artifacts.CANDIDATES`, as predict writes them; taken one by
            one.
        threshold: The null threshold to apply; ignored if it is searched.
        search: Search the thresholds that give the best EM and the best F1 here, and apply that
            of EM; for the tune split alone.
        rule: One of config.ANSWER_RULES.
    """
    ranked = ranking.rank_parts(candidates, questions.ids, rule)
    texts, best = ranking.best_texts(ranked, questions.contexts), ranked.best_score()
    # What it would answer if it had to: tells models apart that do best to abstain.
    exact, f1 = metrics.score_answers(questions.golds, texts, questions.rule)
    right = (exact == 1) & np.isfinite(best)
    has_answer = questions.has_answer
    answerable_f1 = 100.0 * float(f1[has_answer].mean()) if has_answer.any() else 0.0
    thresholds: dict[str, float | None] = {}
    if search:
        for name, each in (("exact", exact), ("f1", f1)):
            thresholds[name] = ranking.find_threshold(best, each, has_answer)
        threshold = thresholds["exact"]
    chosen = ranking.apply_threshold(texts, best, threshold)
    exact, f1 = metrics.score_answers(questions.golds, chosen, questions.rule)
    summary = metrics.summarize(exact, f1, questions.has_answer)
    summary["answered"] = 100.0 * float(np.mean([bool(text) for text in chosen]))
    summary["all_null_exact"] = 100.0 * float((~questions.has_answer).mean())
    summary["answerable_f1"] = answerable_f1
    spans = ranked.best_span()
    spans[np.array([not text for text in chosen])] = -1
    counts = np.array([len(some) for some in questions.golds], np.int64)
    both_edges = metrics.score_spans(spans, questions.gold_spans, counts)
    precision, recall = metrics.score_tokens(questions.golds, chosen, questions.rule)
    summary["span_accuracy"] = 100.0 * float(both_edges.mean())
    summary["precision"] = 100.0 * float(precision.mean())
    summary["recall"] = 100.0 * float(recall.mean())
    columns = {
        "id": pa.array(questions.ids, pa.string()),
        "paragraph": significance.cluster_numbers(questions.contexts),
        "title": significance.number_groups(questions.titles),
        "exact": exact,
        "f1": f1,
    }
    scores = pa.table(columns, schema=SCORES)
    return Judged(chosen, spans, texts, ranked, summary, threshold, scores, thresholds, right)
