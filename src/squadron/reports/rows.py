"""A contender as the report shows it, read from its evaluation folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from squadron.artifacts import read_json, read_table
from squadron.reports import race_facts
from squadron.scores import error_kinds, evaluation, metrics

POINTS = 81
"""Points of a threshold curve. The applied threshold is one more."""


@dataclass(frozen=True)
class Row:
    """A contender and all that the page says about it."""

    label: str
    style: int
    """Its look in every plot."""
    metrics: dict[str, Any]
    """metrics.json."""
    log: list[dict[str, float]]
    """Points of the training; empty for a contender that does not train."""
    comparison: dict[str, Any] | None
    """The winner's comparison with it; None for the winner and the disqualified."""
    mark: str
    """Its standing in words (`race_facts.describe_standing`)."""
    confidence: dict[str, Any] | None = None
    """confidence.json of select."""
    curve: list[tuple[float, float]] = field(default_factory=list)
    """(null threshold, EM on tune)."""
    types: list[dict[str, Any]] = field(default_factory=list)
    """Rows of breakdown.parquet of select."""
    errors: list[dict[str, Any]] = field(default_factory=list)
    """A sample of the wrong answers to select."""
    seconds: dict[str, float] = field(default_factory=dict)
    """Step -> seconds."""
    name: str = ""
    """What people read: the label; a champion's name also has its version."""

    def __post_init__(self) -> None:
        """Takes the label as the name if there is no other."""
        object.__setattr__(self, "name", self.name or self.label)

    @property
    def select(self) -> dict[str, Any] | None:
        """Figures on select; None for the disqualified."""
        return self._figures("select")

    @property
    def test(self) -> dict[str, Any] | None:
        """Figures on test; None for the disqualified and where test was not judged."""
        return self._figures("test")

    @property
    def train(self) -> dict[str, Any] | None:
        """Figures on questions of train; None unless the experiment asks for them."""
        return self._figures("train")

    def _figures(self, split: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.metrics["splits"].get(split)
        return found

    @property
    def training(self) -> dict[str, Any]:
        """What metrics.json says about the training."""
        return dict(self.metrics["training"])

    @property
    def disqualified(self) -> str:
        """The reason for which it was disqualified; "" if it was not."""
        return str(self.metrics["disqualified"])

    @property
    def null_threshold(self) -> float | None:
        """The threshold that it answers by; None if it answers every question."""
        return _read_threshold(self.metrics)

    @property
    def kinds(self) -> dict[str, int]:
        """Kind -> number of wrong answers to select."""
        return dict(self.metrics.get("errors", {}).get("select", {}))


def read_row(
    folder: Path,
    champion: dict[str, Any],
    tune: evaluation.Questions,
    *,
    most_errors: int,
    seconds: Mapping[str, Mapping[str, float]],
) -> Row:
    """Reads what the steps wrote about one contender.

    Args:
        folder: Its evaluation folder.
        champion: champion.json.
        tune: The questions of tune.
        most_errors: Wrong answers to show at most.
        seconds: Label -> step -> seconds.

    Raises:
        InputError: If a file is missing or of another schema.
    """
    figures = read_json(folder / "metrics.json", schema="metrics/1")
    label, select = figures["label"], folder / "select"
    comparisons = {each["label"]: each for each in champion.get("comparisons", [])}
    comparison = comparisons.get(label)
    return Row(
        label=label,
        name=race_facts.shown_names(champion)[label],
        style=[each["label"] for each in champion["contenders"]].index(label),
        metrics=figures,
        log=read_json(folder / "training_log.json", schema="training_log/1")["log"],
        comparison=comparison,
        mark=race_facts.describe_standing(label, champion, comparison, figures["disqualified"]),
        confidence=_read_confidence(select / "confidence.json"),
        curve=_threshold_curve(tune, folder / "tune", _read_threshold(figures)),
        types=_read_types(select / "breakdown.parquet"),
        errors=_read_errors(select / "errors.parquet", most_errors),
        seconds=dict(seconds.get(label, {})),
    )


def _read_threshold(figures: Mapping[str, Any]) -> float | None:
    """Returns the null threshold of metrics.json."""
    found: float | None = figures.get("answering", {}).get("null_threshold")
    return found


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


def _read_confidence(file: Path) -> dict[str, Any] | None:
    """Reads confidence.json; None if there is no such file."""
    return read_json(file, schema="confidence/1") if file.is_file() else None


def _read_types(file: Path) -> list[dict[str, Any]]:
    """Reads breakdown.parquet; empty if there is no such file."""
    if not file.is_file():
        return []
    return list(read_table(file, schema="breakdown/1").to_pylist())


def _read_errors(file: Path, limit: int) -> list[dict[str, Any]]:
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
