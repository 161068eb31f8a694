"""A contender as the report shows it, read from its evaluation folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from squadron.artifacts import read_record, read_table
from squadron.models.training_summary import TrainingLog, TrainingSummary
from squadron.reports import race_facts
from squadron.scores import error_kinds, evaluation, metrics
from squadron.scores.breakdown import Part, read_parts
from squadron.scores.confidence import Confidence
from squadron.scores.contender_result import ContenderResult
from squadron.scores.error_kinds import WrongAnswer
from squadron.scores.figures import SplitFigures
from squadron.scores.leads import Lead
from squadron.scores.race_result import RaceResult

POINTS = 81
"""Points of a threshold curve. The applied threshold is one more."""


@dataclass(frozen=True)
class Row:
    """A contender and all that the page says about it."""

    label: str
    name: str
    """What people read: the label; a champion's name also has its version."""
    style: int
    """Its look in every plot."""
    result: ContenderResult
    log: Sequence[Mapping[str, float]]
    """Points of the training; empty for a contender that does not train."""
    lead: Lead | None
    """The winner's lead over it; None for the winner and the disqualified."""
    mark: str
    """Its standing in words (`race_facts.describe_standing`)."""
    confidence: Confidence | None = None
    """Of select."""
    curve: list[tuple[float, float]] = field(default_factory=list)
    """(null threshold, EM on tune)."""
    parts: list[Part] = field(default_factory=list)
    """Figures on parts of select."""
    errors: list[WrongAnswer] = field(default_factory=list)
    """A sample of the wrong answers to select, rows of errors.parquet."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Step -> seconds."""

    @property
    def select(self) -> SplitFigures | None:
        """Figures on select; None for the disqualified."""
        return self.result.splits.get("select")

    @property
    def test(self) -> SplitFigures | None:
        """Figures on test; None for the disqualified and where test was not judged."""
        return self.result.splits.get("test")

    @property
    def train(self) -> SplitFigures | None:
        """Figures on questions of train; None unless the experiment asks for them."""
        return self.result.splits.get("train")

    @property
    def training(self) -> TrainingSummary:
        """How it was trained."""
        return self.result.training

    @property
    def disqualified(self) -> str:
        """The reason for which it was disqualified; "" if it was not."""
        return self.result.disqualified

    @property
    def null_threshold(self) -> float | None:
        """The threshold that it answers by; None if it answers every question."""
        return self.result.answering.null_threshold

    @property
    def kinds(self) -> dict[str, int]:
        """Kind -> number of wrong answers to select."""
        return self.result.errors.get("select", {})


def read_row(
    folder: Path,
    race: RaceResult,
    tune: evaluation.Questions,
    *,
    most_errors: int,
    seconds: Mapping[str, Mapping[str, float]],
) -> Row:
    """Reads what the steps wrote about one contender.

    Args:
        folder: Its evaluation folder.
        race: The result of the race.
        tune: The questions of tune.
        most_errors: Wrong answers to show at most.
        seconds: Label -> step -> seconds.

    Raises:
        InputError: If a file is missing or of another schema.
    """
    result = read_record(ContenderResult, folder / "metrics.json")
    label, select = result.label, folder / "select"
    lead = next((each for each in race.comparisons if each.label == label), None)
    return Row(
        label=label,
        name=race.names[label],
        style=[each.label for each in race.contenders].index(label),
        result=result,
        log=read_record(TrainingLog, folder / "training_log.json").log,
        lead=lead,
        mark=race_facts.describe_standing(label, race, lead, result.disqualified),
        confidence=_read_confidence(select / "confidence.json"),
        curve=_threshold_curve(tune, folder / "tune", result.answering.null_threshold),
        parts=_read_parts(select / "breakdown.parquet"),
        errors=_read_errors(select / "errors.parquet", most_errors),
        seconds=dict(seconds.get(label, {})),
    )


def _threshold_curve(
    questions: evaluation.Questions, folder: Path, applied: float | None
) -> list[tuple[float, float]]:
    """Returns (null threshold, EM on tune) for the thresholds that change something.

    Args:
        questions: Of tune.
        folder: With the predictions and the null odds of tune.
        applied: The threshold that the contender answers by; it is one of the points.

    Returns:
        The points in the order of their thresholds. There are none if the files are missing or if
        every question has an answer, because then no threshold helps.
    """
    files = [folder / f"{name}.json" for name in ("predictions", "null_odds")]
    if not all(file.is_file() for file in files) or questions.has_answer.all():
        return []
    texts, odds = (_read_official(file, questions.ids) for file in files)
    score = -np.array(odds, np.float64)
    exact, _ = metrics.score_answers(questions.golds, texts, questions.rule)
    known = score > -1e29  # without a candidate there is nothing to answer
    if not known.any():
        return []
    # In the tails, each threshold changes one question. Readers look at what lies between.
    low, high = np.quantile(score[known], [0.01, 0.99])
    thresholds = np.linspace(low, high, POINTS)
    if applied is not None:
        # It is often in a tail: above all scores if the model does best to answer nothing.
        thresholds = np.union1d(thresholds, [applied])
    nothing = (~questions.has_answer).astype(np.float64)
    means = [np.where(score > each, exact, nothing).mean() for each in thresholds]
    return [(float(x), 100 * float(y)) for x, y in zip(thresholds, means, strict=True)]


def _read_official(file: Path, ids: Sequence[str]) -> list[Any]:
    """Reads a file of the official layout, which is a mapping from ids, in the order of `ids`."""
    content = json.loads(file.read_text(encoding="utf-8"))
    return [content[each] for each in ids]


def _read_confidence(file: Path) -> Confidence | None:
    """Reads confidence.json; None if there is no such file."""
    return read_record(Confidence, file) if file.is_file() else None


def _read_parts(file: Path) -> list[Part]:
    """Reads breakdown.parquet; empty if there is no such file."""
    return read_parts(file) if file.is_file() else []


def _read_errors(file: Path, limit: int) -> list[WrongAnswer]:
    """Samples wrong answers, by kind; empty if there is no such file.

    Args:
        file: errors.parquet.
        limit: Of answers in all. Each kind gets an equal share. What a rare kind does not need
            goes to the others.
    """
    if not file.is_file():
        return []
    table = read_table(file, schema="errors/1")
    kinds = np.array(table["kind"].to_pylist(), object)
    places = {kind: np.flatnonzero(kinds == kind) for kind in error_kinds.KINDS}
    left, chosen = limit, []
    for number, (kind, some) in enumerate(sorted(places.items(), key=lambda each: len(each[1]))):
        share = left // (len(places) - number)
        part = table.take(some)
        taken = error_kinds.sample_rows(part, share) if share and len(some) else []
        left -= len(taken)
        chosen += [(error_kinds.KINDS.index(kind), row) for row in taken]
    return [row for _, row in sorted(chosen, key=lambda each: each[0])]
