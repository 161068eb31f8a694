"""The report of a race: one HTML page that says which model to promote, and why.

`collect_report` gathers what the steps wrote into a plain structure, `render_report` makes the page
of it. Nothing is judged again here: the order, the intervals and what is certain are those of
champion.json. The page needs no network: style, plots and script stand in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from squadron.artifacts import read_json, read_table
from squadron.reports import plots, race_table
from squadron.scores import error_kinds, evaluation, metrics

MOST_ERRORS = 60
"""Wrong answers shown of a contender, of all kinds that it has."""
MOST_ERRORS_IN_ALL = 480
"""Of all contenders, so that the page stays below a megabyte."""
MOST_PARTS = 30
"""Of a group of questions, such as titles: the largest ones."""
SHOWN_GROUPS = ("reasoning_type_data", "reasoning_type_rules", "question_word")
"""Unfolded; see breakdown.GROUPS."""
GROUP_TEXTS = {
    "reasoning_type_data": "type of reasoning, as the data label it",
    "reasoning_type_rules": "type of reasoning, as cue rules guess it",
    "answer_words": "words of the answer",
    "context_words": "words of the context",
    "windows": "windows of the context",
}
POINTS = 81
"""Of a threshold curve, besides the applied threshold."""


@dataclass(frozen=True)
class Verdict:
    """What a reviewer reads first."""

    tone: str
    """"certain", "unsure" or "none"."""
    headline: str
    reasons: list[str]
    commands: list[str] = field(default_factory=list)
    """What to do about it."""
    warnings: list[str] = field(default_factory=list)
    """What judged splits share with train; it comes before the headline."""


@dataclass(frozen=True)
class Row:
    """A contender and all that the page says of it."""

    label: str
    style: int
    """Its look in every plot."""
    metrics: dict[str, Any]
    """metrics.json."""
    log: list[dict[str, float]]
    """Points of the training; none of a contender that does not train."""
    comparison: dict[str, Any] | None
    """With the winner, of champion.json; None for the winner and the disqualified."""
    mark: str
    """Its standing in words."""
    confidence: dict[str, Any] | None = None
    """confidence.json of select."""
    curve: list[tuple[float, float]] = field(default_factory=list)
    """(null threshold, EM on tune)."""
    types: list[dict[str, Any]] = field(default_factory=list)
    """Rows of breakdown.parquet of select."""
    errors: list[dict[str, Any]] = field(default_factory=list)
    """Wrong answers to select, some of each kind."""
    seconds: dict[str, float] = field(default_factory=dict)
    """By step."""
    name: str = ""
    """What people read: the label, and the version that a champion is."""

    def __post_init__(self) -> None:
        """A row without a name is read by its label."""
        object.__setattr__(self, "name", self.name or self.label)

    @property
    def select(self) -> dict[str, Any] | None:
        """Figures on select; None for the disqualified."""
        return self._figures("select")

    @property
    def test(self) -> dict[str, Any] | None:
        """Figures on test; None for the disqualified."""
        return self._figures("test")

    @property
    def train(self) -> dict[str, Any] | None:
        """Figures on questions of train, where the experiment asked for them."""
        return self._figures("train")

    def _figures(self, split: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = self.metrics["splits"].get(split)
        return found

    @property
    def null_threshold(self) -> float | None:
        """That it answers by; None answers every question."""
        return _read_threshold(self.metrics)

    @property
    def kinds(self) -> dict[str, int]:
        """Wrong answers to select of each kind."""
        return dict(self.metrics.get("errors", {}).get("select", {}))


@dataclass(frozen=True)
class Group:
    """Figures of all contenders by one property of questions."""

    name: str
    questions: dict[str, int]
    """Of each part; more parts than are shown, where there are many."""
    parts: dict[str, dict[str, dict[str, Any]]]
    """Value -> label -> row of breakdown.parquet."""
    is_open: bool


@dataclass(frozen=True)
class Report:
    """All that the page shows."""

    race: str
    verdict: Verdict
    champion: dict[str, Any]
    """champion.json."""
    rows: list[Row]
    """In the order of the race, the disqualified last."""
    validation: dict[str, Any]
    """validation.json."""
    experiment: dict[str, Any]
    """Resolved; empty if it is not known."""
    git_sha: str
    seconds: dict[str, float]
    """Of the steps that all contenders share."""

    @property
    def racing(self) -> list[Row]:
        """The contenders that were not disqualified."""
        return [row for row in self.rows if row.select]


def collect_report(
    champion: dict[str, Any],
    evaluations: Sequence[Path],
    examples: Path,
    *,
    experiment: dict[str, Any] | None = None,
    git_sha: str = "",
    seconds: Mapping[str, Mapping[str, float]] | None = None,
) -> Report:
    """Gathers what the steps wrote.

    Args:
        champion: champion.json.
        evaluations: Evaluation folders of all contenders.
        examples: As ingest wrote them.
        experiment: Resolved.
        git_sha: Of the code that ran.
        seconds: Label -> step -> seconds, those of shared steps under "".

    Raises:
        InputError: If a file is missing or of another schema.
    """
    comparisons = {each["label"]: each for each in champion.get("comparisons", [])}
    names = race_table.shown_names(champion)
    order = [each["label"] for each in champion["contenders"]]
    tune = evaluation.Questions.read(read_table(examples / "tune.parquet", schema="examples/1"))
    limit = max(5, min(MOST_ERRORS, MOST_ERRORS_IN_ALL // max(1, len(order))))
    rows = []
    for folder in evaluations:
        figures = read_json(folder / "metrics.json", schema="metrics/1")
        label = figures["label"]
        select = folder / "select"
        rows.append(
            Row(
                label=label,
                name=names[label],
                style=order.index(label),
                metrics=figures,
                log=read_json(folder / "training_log.json", schema="training_log/1")["log"],
                comparison=comparisons.get(label),
                mark=_mark(label, champion, comparisons.get(label), figures["disqualified"]),
                confidence=_read_confidence(select / "confidence.json"),
                curve=_threshold_curve(tune, folder / "tune", _read_threshold(figures)),
                types=_read_types(select / "breakdown.parquet"),
                errors=_read_errors(select / "errors.parquet", limit),
                seconds=dict((seconds or {}).get(label, {})),
            )
        )
    rows.sort(key=lambda row: row.style)
    return Report(
        race=champion["race"],
        verdict=judge_race(champion, rows),
        champion=champion,
        rows=rows,
        validation=read_json(examples / "validation.json", schema="validation/1"),
        experiment=experiment or {},
        git_sha=git_sha,
        seconds=dict((seconds or {}).get("", {})),
    )


def judge_race(champion: dict[str, Any], rows: Sequence[Row]) -> Verdict:
    """champion.json as one sentence, the reasons for it, and what to do; warnings come first."""
    warnings = race_table.describe_contamination(champion)
    return replace(_judge(champion, rows), warnings=warnings)


def _judge(champion: dict[str, Any], rows: Sequence[Row]) -> Verdict:
    """The verdict without warnings."""
    refused = str(champion.get("refused", ""))
    winner = next((row for row in rows if row.label == champion.get("winner")), None)
    if winner is None or winner.select is None:
        return Verdict("none", f"No model to promote: {refused or 'nothing was judged'}.", [])
    select = winner.select
    em = f"{select['exact']:.2f}"
    reasons = [
        f"{winner.name} has the {champion['why'].replace(em, em + _between(select), 1)}, on "
        f"{select['total']:,} questions that it was not trained on.",
        *race_table.describe_leads(champion),
    ]
    tested = [row for row in rows if row.test]
    best = max(tested, key=lambda row: row.test["exact"], default=winner)  # type: ignore[index]
    if winner.test and best.test and best.test["exact"] > winner.test["exact"]:
        reasons.append(
            f"On test, which decides nothing, {best.name} is ahead: EM {best.test['exact']:.2f}, "
            f"{winner.name} {winner.test['exact']:.2f}."
        )
    if refused:
        return Verdict("none", "Promote nothing: no model passed the gate.", [*reasons, refused])
    model = champion["model"]
    name, version, status = model["name"], model["version"], model["validation_status"]
    gate = champion.get("gate", "passed")
    what = {
        "demo": "demo: these data are too few to rank models on",
        "passed": "passed: it beats answering nothing",
    }.get(status, status)
    reasons.append(f"Validation status {what}.")
    if gate != "passed":
        reasons.append(f"Outside a demo it would be refused: {gate}.")
    shown = f"{winner.name} ({name} version {version})"
    advice = f"Promote {shown}"
    commands = [f"squadron promote {version} --model {name} --to staging"]
    if race_table.is_staging(model):
        advice, commands = f"{shown} is staging already", []
    if status == "demo":
        return Verdict("none", f"{winner.name} is first, but don't promote a demo.", reasons)
    if model.get("kept"):
        return Verdict("certain", f"Keep the champion, {name} version {version}.", reasons)
    names = race_table.shown_names(champion)
    comparisons = champion.get("comparisons", [])
    unsure = [names[each["label"]] for each in comparisons if not each["significant"]]
    if unsure:
        others = " or ".join(unsure) if len(unsure) < 3 else f"{len(unsure)} others"
        few = race_table.has_too_few_paragraphs(champion["comparisons"])
        why = "select has too few paragraphs" if few else "the lead is too small"
        headline = f"{advice}, but {others} may be as good: {why} to rank."
        return Verdict("unsure", headline, reasons, commands)
    return Verdict("certain", f"{advice}.", reasons, commands)


def draw_plots(report: Report) -> dict[str, str]:
    """The plots of a report as SVG by name; those without anything to show are left out."""
    racing = report.racing
    found: dict[str, str] = {}
    intervals = [
        plots.Interval(
            row.label,
            row.style,
            row.select["exact"],
            row.select.get("exact_low"),
            row.select.get("exact_high"),
            f"{row.select['exact']:.2f}{_range(row.select)}",
        )
        for row in racing
        if row.select
    ]
    if intervals:
        about = "; ".join(f"{each.label} {each.note}" for each in intervals)
        title = "EM on select with 95 % intervals"
        found["em"] = plots.interval_plot(
            title, about, intervals, "EM on select, %", guide=intervals[0].value
        )
    leads = [
        plots.Interval(
            row.label,
            row.style,
            row.comparison["difference"],
            row.comparison["low"],
            row.comparison["high"],
            f"{row.comparison['difference']:.2f} ({row.mark})",
        )
        for row in racing
        if row.comparison and row.comparison["low"] is not None
    ]
    if leads:
        about = "; ".join(f"over {each.label} {each.note}" for each in leads)
        title = "The winner's lead in EM over each of the others, with joint 95 % intervals"
        found["lead"] = plots.interval_plot(
            title, about, leads, "winner's lead in EM, points", guide=0.0
        )
    for name, key, title, unit in (
        ("loss", "train_loss", "Loss while training", "mean training loss"),
        ("tune_em", "tune_exact_match", "EM on tune while training", "EM on tune, %"),
    ):
        series = [_log_series(row, key) for row in report.rows]
        shown = [each for each in series if each.points]
        if shown:
            about = "; ".join(_from_to(each) for each in shown)
            last = max(x for each in shown for x, _ in each.points)
            values = [y for each in shown for _, y in each.points]
            # A hair between two figures must not look like a gulf.
            middle = (min(values) + max(values)) / 2
            wide = (min(*values, middle - 2.5), max(*values, middle + 2.5))
            found[name] = plots.line_plot(
                title,
                about,
                shown,
                "epoch",
                unit,
                x_range=(0.0, float(np.ceil(last))),
                y_range=wide if name == "tune_em" else None,
            )
    series = [
        plots.Series(row.label, row.style, row.curve, marked=_chosen(row))
        for row in racing
        if row.curve
    ]
    if series:
        about = "; ".join(
            f"{each.label} answers above {each.marked[0]:.2f}: EM {each.marked[1]:.2f}"
            for each in series
            if each.marked
        )
        found["threshold"] = plots.line_plot(
            "EM on tune by null threshold", about, series, "null threshold (log-odds)", "EM on tune"
        )
    sure = [row for row in racing if row.confidence and row.select]
    if sure:
        found["reliability"] = plots.line_plot(
            "How often answers are right that call themselves so sure",
            "; ".join(f"{row.label}: calibration error {_ece(row)}" for row in sure),
            [_points(row, "reliability", "probability", "right") for row in sure],
            "said probability of being right, %",
            "right, %",
            x_range=(0.0, 100.0),
            y_range=(0.0, 100.0),
            has_diagonal=True,
        )
        found["risk"] = plots.line_plot(
            "Wrong answers if only the surest are given",
            "; ".join(f"{r.label}: area under the curve {r.select['aurc']:.3f}" for r in sure),  # type: ignore[index]
            [_points(row, "risk_coverage", "coverage", "risk") for row in sure],
            "questions answered, %",
            "wrong, %",
            x_range=(0.0, 100.0),
            y_range=(0.0, 100.0),
        )
    return found


def render_report(report: Report) -> str:
    """The page as HTML. Whatever comes from data is escaped."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("squadron.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"two": _two, "words": _words, "whole": _whole}
    template = environment.get_template("report.html.j2")
    return template.render(
        report=report,
        plots={name: Markup(svg) for name, svg in draw_plots(report).items()},
        swatch=lambda style: Markup(plots.swatch(style)),
        style=Markup(plots.STYLE),
        kinds=error_kinds.KIND_TEXTS,
        highlight=highlight,
        groups=group_types(report.racing),
        widest=_widest_kind(report.racing),
        experiment=yaml.safe_dump(
            report.experiment, sort_keys=False, allow_unicode=True, width=100
        ),
        steps=_steps(report.rows),
    )


def highlight(error: Mapping[str, Any]) -> list[tuple[str, bool, bool]]:
    """The excerpt of a wrong answer in pieces: (text, is gold, is the answer)."""
    text = str(error["excerpt"])
    spans = [(error[f"{who}_start"], error[f"{who}_end"]) for who in ("gold", "answer")]
    shown = [span for span in spans if span[0] >= 0] or [(0, 0)]
    is_cut: list[bool] = [
        edge == error_kinds.EXCERPT_CHARACTERS
        for edge in (min(s for s, _ in shown), len(text) - max(e for _, e in shown))
    ]
    cuts = sorted({0, len(text), *(edge for span in spans if span[0] >= 0 for edge in span)})
    pieces = []
    for start, end in pairwise(cuts):
        in_gold, in_answer = (span[0] <= start and end <= span[1] for span in spans)
        pieces.append((text[start:end], in_gold, in_answer))
    mark = [("…", False, False)]
    return mark * is_cut[0] + pieces + mark * is_cut[1]


def group_types(rows: Sequence[Row]) -> list[Group]:
    """The breakdowns of all contenders side by side; titles with few questions are left out."""
    found: dict[str, dict[str, dict[str, dict[str, Any]]]] = {}
    for row in rows:
        for each in row.types:
            if each["group"] != "all":
                values = found.setdefault(each["group"], {})
                values.setdefault(each["value"], {})[row.label] = each
    groups = []
    # The unfolded ones first; a stable sort keeps the order of the file for the others.
    rank = {name: place for place, name in enumerate(SHOWN_GROUPS)}
    for name in sorted(found, key=lambda name: rank.get(name, len(rank))):
        values = found[name]
        count = {
            value: max(each["questions"] for each in some.values())
            for value, some in values.items()
        }
        # A stable sort: the largest parts, then the order in which they came.
        largest = sorted(values, key=lambda value: -count[value])[:MOST_PARTS]
        kept = {value: some for value, some in values.items() if value in largest}
        title = GROUP_TEXTS.get(name, name.replace("_", " "))
        groups.append(Group(title, count, kept, name in SHOWN_GROUPS))
    return groups


def _mark(
    label: str, champion: dict[str, Any], comparison: dict[str, Any] | None, disqualified: str
) -> str:
    if disqualified:
        return "disqualified"
    if label == champion.get("winner"):
        return "winner"
    if comparison is None:
        return ""
    if comparison["significant"]:
        return "behind, more than chance"
    return "may be as good" if comparison["difference"] else "level"


def _between(summary: dict[str, Any]) -> str:
    shown = _range(summary)
    return f" (95 % interval {shown.strip(' ()')})" if shown else ""


def _range(summary: dict[str, Any], key: str = "exact") -> str:
    low, high = summary.get(f"{key}_low"), summary.get(f"{key}_high")
    return "" if low is None or high is None else f" ({low:.1f}–{high:.1f})"


def _threshold_curve(
    questions: evaluation.Questions, folder: Path, applied: float | None
) -> list[tuple[float, float]]:
    """(null threshold, EM) over the thresholds that change something, on tune; and the applied one.

    Empty where there are no such files, or where all questions have answers: no threshold helps.
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
    # The tails change one question each: between these quantiles is what a person looks at.
    low, high = np.quantile(score[known], [0.01, 0.99])
    thresholds = np.linspace(low, high, POINTS)
    if applied is not None:
        # Often in a tail: a model that does best to answer nothing has it above all scores.
        thresholds = np.union1d(thresholds, [applied])
    nothing = (~questions.has_answer).astype(np.float64)
    means = [np.where(score > each, exact, nothing).mean() for each in thresholds]
    return [(float(x), 100 * float(y)) for x, y in zip(thresholds, means, strict=True)]


def _read_official(file: Path, ids: Sequence[str]) -> list[Any]:
    import json

    content = json.loads(file.read_text(encoding="utf-8"))
    return [content[each] for each in ids]


def _read_confidence(file: Path) -> dict[str, Any] | None:
    return read_json(file, schema="confidence/1") if file.is_file() else None


def _read_types(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        return []
    return list(read_table(file, schema="breakdown/1").to_pylist())


def _read_errors(file: Path, limit: int) -> list[dict[str, Any]]:
    """At most `limit`, shared evenly by the kinds; what rare kinds leave goes to the others."""
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


def _log_series(row: Row, key: str) -> plots.Series:
    points = [(point["epoch"], point[key]) for point in row.log if key in point]
    by_epoch = key.startswith("tune")
    best = row.metrics["training"].get("best_epoch")
    marked = next((point for point in points if by_epoch and round(point[0]) == best), None)
    return plots.Series(row.label, row.style, points, has_markers=by_epoch, marked=marked)


def _from_to(series: plots.Series) -> str:
    first, last = series.points[0][1], series.points[-1][1]
    return f"{series.label} from {first:.2f} to {last:.2f}"


def _read_threshold(figures: Mapping[str, Any]) -> float | None:
    """Of metrics.json."""
    found: float | None = figures.get("answering", {}).get("null_threshold")
    return found


def _chosen(row: Row) -> tuple[float, float] | None:
    threshold = row.null_threshold
    if threshold is None:
        return None
    return float(threshold), float(row.metrics["splits"]["tune"]["exact"])


def _ece(row: Row) -> str:
    select = row.select or {}
    after = select.get("ece")
    return "not known" if after is None else f"{100 * after:.1f} %"


def _points(row: Row, table: str, x: str, y: str) -> plots.Series:
    some = (row.confidence or {})[table]
    points = [(100 * each[x], 100 * each[y]) for each in some]
    return plots.Series(row.label, row.style, points, has_markers=table == "reliability")


def _widest_kind(rows: Sequence[Row]) -> float:
    """The greatest share of select that any kind of wrong answers has, above 0."""
    shares = [n / row.select["total"] for row in rows if row.select for n in row.kinds.values()]
    return max(shares, default=0.0) or 1.0


def _steps(rows: Sequence[Row]) -> list[str]:
    return sorted({name for row in rows for name in row.seconds})


def _two(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f}"


def _whole(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _words(name: str) -> str:
    return name.replace("_", " ")
