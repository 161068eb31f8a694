"""The page of a report: one HTML file that says which model to promote, and why.

The page needs no network: its style, plots and script are part of the file.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import yaml

from squadron import wording
from squadron.reports import plots
from squadron.reports.race_plots import draw_plots
from squadron.reports.report import Report
from squadron.reports.rows import Row
from squadron.reports.search_facts import (
    METHOD_TEXTS,
    describe_recall,
    describe_right,
    find_open_domain,
)
from squadron.scores import error_kinds
from squadron.scores.breakdown import Part
from squadron.scores.error_kinds import WrongAnswer

MOST_PARTS = 30
"""Maximum number of parts shown of a group of questions. Groups such as titles have many."""
OPEN_GROUPS = ("reasoning_type_data", "reasoning_type_rules", "question_word")
"""Groups that the page shows unfolded, and first (`breakdown.GROUPS` has all)."""
GROUP_TEXTS = {
    "reasoning_type_data": "type of reasoning, as the data label it",
    "reasoning_type_rules": "type of reasoning, as cue rules guess it",
    "answer_words": "words of the answer",
    "context_words": "words of the context",
    "windows": "windows of the context",
}
"""Titles of groups whose names are not clear enough."""


@dataclass(frozen=True)
class Group:
    """Figures of all contenders by one property of questions."""

    name: str
    questions: dict[str, int]
    """Part -> number of questions, also for parts that are not shown."""
    parts: dict[str, dict[str, Part]]
    """Value -> label -> the figures of that contender, for the largest parts."""
    is_open: bool


def render_report(report: Report) -> str:
    """Renders the page as HTML. All text that comes from data is escaped."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("squadron.reports"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "figure": wording.figure,
        "whole": wording.whole,
        "words": wording.words,
        "p_value": wording.p_value,
    }
    return environment.get_template("report.html.j2").render(
        report=report,
        plots={name: Markup(svg) for name, svg in draw_plots(report).items()},
        swatch=lambda style: Markup(plots.swatch(style)),
        style=Markup(plots.STYLE),
        interval=wording.interval,
        lead_interval=wording.lead_interval,
        level=wording.LEVEL,
        kinds=error_kinds.KIND_TEXTS,
        highlight=highlight,
        searched=find_open_domain(report.result),
        methods=METHOD_TEXTS,
        describe_recall=describe_recall,
        describe_right=describe_right,
        groups=group_types(report.racing),
        widest=_largest_share(report.racing),
        experiment=yaml.safe_dump(
            report.experiment, sort_keys=False, allow_unicode=True, width=100
        ),
        steps=sorted({name for row in report.rows for name in row.seconds}),
    )


def highlight(error: WrongAnswer) -> list[tuple[str, bool, bool]]:
    """Cuts the excerpt of a wrong answer where the gold answer and the model's begin and end.

    Args:
        error: A row of errors.parquet.

    Returns:
        Pieces of the excerpt: (text, whether it is gold, whether the model said it). An ellipsis
        stands at an end where the context goes on.
    """
    text = str(error["excerpt"])
    spans = [
        (error["gold_start"], error["gold_end"]),
        (error["answer_start"], error["answer_end"]),
    ]
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
    """Puts the breakdowns of all contenders side by side.

    Args:
        rows: Contenders that were not disqualified.

    Returns:
        `OPEN_GROUPS` first, then the others in the order of the files. Each has its largest parts.
    """
    found: dict[str, dict[str, dict[str, Part]]] = {}
    for row in rows:
        for each in row.parts:
            if each.group != "all":
                values = found.setdefault(each.group, {})
                values.setdefault(each.value, {})[row.label] = each
    rank = {name: place for place, name in enumerate(OPEN_GROUPS)}
    # Sorting is stable: it keeps the order of the files among groups and parts that compare equal.
    names = sorted(found, key=lambda name: rank.get(name, len(rank)))
    return [_make_group(name, found[name]) for name in names]


def _make_group(name: str, values: dict[str, dict[str, Part]]) -> Group:
    """Makes a group with its largest parts, which keep their order."""
    count = {
        value: max(each.questions for each in by_label.values())
        for value, by_label in values.items()
    }
    largest = set(sorted(values, key=lambda value: -count[value])[:MOST_PARTS])
    kept = {value: by_label for value, by_label in values.items() if value in largest}
    return Group(GROUP_TEXTS.get(name, wording.words(name)), count, kept, name in OPEN_GROUPS)


def _largest_share(rows: Sequence[Row]) -> float:
    """Returns the largest share of select that one kind of wrong answers has; 1 if all are 0."""
    shares = [n / row.select.total for row in rows if row.select for n in row.kinds.values()]
    return max(shares, default=0.0) or 1.0
