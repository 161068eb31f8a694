"""What MLflow shows of a race in words: descriptions in Markdown, and a view of its contenders.

Pure: texts from a report; `tracking` and `registry` store them. Links are those of MLflow's own
pages, relative, so that they hold on any server and on none.
"""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from squadron.reports.markdown import LONGEST, plain

if TYPE_CHECKING:
    from squadron.reports.report import Report, Row

MOST_KINDS = 3
"""Of wrong answers that a contender's description names."""
PROMOTION = "squadron promote VERSION --model NAME --to staging"
VIEW = "contenders"
"""The key of the view in links; see `contenders_view`."""


def describe_experiment(runs_page: str) -> str:
    """What a race is and how to read it.

    Args:
        runs_page: Of the experiment, with the view; "" for none.
    """
    view = (
        f" [All contenders of all races, best EM on select first]({runs_page})."
        if runs_page
        else ""
    )
    return (
        "Races of extractive question-answering models: contenders are trained on the same data, "
        "judged on the same questions, and the best one is registered.\n\n"
        f"- A race is a parent run, a contender a child run. Begin with the last race's "
        f"description and its report.html.{view}\n"
        "- Figures begin with the split they are of. tune settles thresholds and the best epoch, "
        "so it flatters; select chooses the winner; test decides nothing and is only reported. No "
        "question of the three was trained on.\n"
        "- EM (exact_match) and F1 are the official SQuAD figures, 0 to 100. low and high are 95 % "
        "intervals for the titles that were asked about, title_low and title_high for others; "
        "two contenders whose intervals overlap may differ all the same: squadron.standing says "
        "what a paired comparison found.\n"
        f"- The winner gets the alias candidate. A person promotes it: `{PROMOTION}`, or set the "
        "alias staging on the version's page.\n"
    )


def describe_model(name: str) -> str:
    """A registered model: what it does, what its aliases mean, how it is used and promoted."""
    promotion = PROMOTION.replace("NAME", name)
    return (
        "Answers questions with a piece of a given text, or says that the text has no answer.\n\n"
        "- Each version won a race; its description has the figures and its limits, and links to "
        "the race.\n"
        "- candidate is the last winner, staging the version that a person promoted.\n"
        f"- Promote: `{promotion}`. The tag previous_staging of the version says which one to go "
        "back to. MLflow's button Promote model does something else: it copies a version under "
        "another name.\n"
        f'- Ask: `squadron ask --model {name} --context FILE_OR_TEXT "your question"`.\n'
    )


def describe_race(report: "Report", pages: Mapping[str, str]) -> str:
    """The verdict, the table and what to open, for the parent run.

    Args:
        report: Of the race.
        pages: Label -> page of the child run, and "" -> that of the parent; see
            `tracking.run_page`.
    """
    verdict = report.verdict
    parts = [
        # Plain text first: lists of runs show it as it is written.
        *(f"Warning: {plain(warning)}" for warning in verdict.warnings),
        plain(verdict.headline),
        f"Begin with {_link('report.html', artifact(pages.get('', ''), 'report.html'))}: plots, "
        "wrong answers, all figures.",
    ]
    ending = "".join(f"- {plain(reason)}\n" for reason in verdict.reasons)
    if verdict.commands:
        ending += "\n" + "\n".join(f"`{command}`" for command in verdict.commands) + "\n"
    ending += (
        "\nOf each contender: its description, errors.json (wrong answers) and breakdown.json "
        "(figures by kinds of questions) among its artifacts."
    )
    room = LONGEST - sum(map(len, parts)) - len(ending)
    table = _race_table(report, pages, room)
    return "\n\n".join([*parts, table, ending])[:LONGEST]


def describe_contender(row: "Row", report: "Report", pages: Mapping[str, str]) -> str:
    """How a contender did and what it is, for its child run.

    Args:
        row: Of the contender.
        report: Of its race.
        pages: As for `describe_race`.
    """
    race = _link(report.race, pages.get("", ""))
    from squadron.scores.error_kinds import KIND_TEXTS

    sentences = [f"{_standing(row, report)} Race {race}."]
    select, test = row.select, row.test
    figures = [
        f"On {name}, {summary['total']:,} questions: EM {_sure(summary, 'exact')}, F1 "
        f"{_sure(summary, 'f1')}."
        for name, summary in (("select", select), ("test", test))
        if summary
    ]
    sentences += [" ".join(figures)] if figures else []
    sentences.append(_origin(row, report))
    wrong = sum(row.kinds.values())
    if select and wrong:
        most = sorted(row.kinds.items(), key=lambda each: -each[1])[:MOST_KINDS]
        shown = "".join(
            f"\n- {kind.replace('_', ' ')}, {count}: {KIND_TEXTS[kind]}"
            for kind, count in most
            if count
        )
        place = artifact(pages.get(row.label, ""), "errors.json")
        sentences.append(
            f"Wrong on {wrong:,} of {select['total']:,} questions of select, most of all "
            f"({_link('errors.json', place)} lists them):{shown}"
        )
    return "\n\n".join(sentences)[:LONGEST]


def contenders_view(created: int) -> str:
    """A view of MLflow's list of runs: contenders alone, best EM on select first, its figures.

    The layout is MLflow 3's own, and its page lays it over the usual one: whatever a release does
    not know is left out.

    Args:
        created: Milliseconds since 1970.
    """
    figures = [
        f"metrics.`{split}_{name}`"
        for split in ("select", "test")
        for name in ("exact_match", "f1")
    ]
    standing, race = "tags.`squadron.standing`", "tags.`squadron.race`"
    state = {
        "searchFilter": "tags.`squadron.contender` != '-'",
        "orderByKey": figures[0],
        "orderByAsc": False,
        "selectedColumns": [standing, *figures, race],
        "columnOrder": [standing, *figures, race],
        "columnWidths": {standing: 180, **dict.fromkeys(figures, 130)},
    }
    name = "Contenders, best EM on select first"
    return json.dumps({"name": name, "createdAt": created, "state": json.dumps(state)})


def artifact(page: str, name: str) -> str:
    """The page of a run's artifact; "" without a run's page."""
    place, mark, query = page.partition("?")
    return f"{place}/artifacts/{name}{mark}{query}" if page else ""


def _race_table(report: "Report", pages: Mapping[str, str], room: int) -> str:
    """In `room` characters, with a last line that says how many contenders had none."""
    heads = ("contender", "standing", "EM on select", "F1 on select", "EM on test")
    lines = [_line(heads), "|---" * len(heads) + "|"]
    for number, row in enumerate(report.rows):
        select, test = row.select, row.test
        cells = [
            _link(row.name, pages.get(row.label, "")),
            row.mark,
            _sure(select, "exact") if select else "–",
            _sure(select, "f1") if select else "–",
            _sure(test, "exact") if test else "–",
        ]
        line = _line(cells)
        if sum(len(each) + 1 for each in lines) + len(line) + 60 > room:
            left = len(report.rows) - number
            return "\n".join([*lines, "", f"And {left} more, in report.html."])
        lines.append(line)
    return "\n".join([*lines, "", "In brackets: 95 % intervals."])


def _line(cells: Iterable[str]) -> str:
    # MLflow's page leaves no room between cells.
    return "| " + " | ".join(f"{cell}\u00a0\u00a0" for cell in cells) + " |"


def _standing(row: "Row", report: "Report") -> str:
    if row.metrics["disqualified"]:
        return f"Disqualified: {plain(row.metrics['disqualified']).rstrip('.')}."
    if row.mark == "winner":
        tie = f" {plain(report.champion['tie'])}" if report.champion.get("tie") else ""
        return f"The winner of {len(report.rows)}: {plain(report.champion['why'])}.{tie}"
    if row.comparison is None:
        return "Not ranked."
    winner = plain(report.champion["winner"])
    if row.mark == "level":
        return f"Its EM on select is that of the winner, {winner}."
    lead = row.comparison
    behind = f"Behind the winner, {winner}, by {lead['difference']:.2f} points of EM on select"
    if lead["low"] is None:
        return f"{behind}: there are too few paragraphs to tell whether by chance."
    behind += f" (95 %: {lead['low']:.2f} to {lead['high']:.2f})"
    return f"{behind}, more than chance." if lead["significant"] else f"{behind}: may be chance."


def _origin(row: "Row", report: "Report") -> str:
    """Variant, backbone and what was trained."""
    contenders = {each["label"]: each for each in report.experiment.get("contenders", [])}
    own = contenders.get(row.label, {})
    backbone = f" on the backbone {plain(own['backbone'])}" if own else ""
    what = f"Variant {plain(row.metrics['variant'])}{backbone}"
    training = row.metrics["training"]
    trained, whole = training.get("trainable_parameters"), training.get("parameters")
    if trained:
        of = f" of {int(whole):,}" if whole and whole != trained else ""
        epoch = training.get("best_epoch")
        best = f", best on tune in epoch {int(epoch)}" if epoch else ""
        return f"{what}: {int(trained):,} parameters{of} were trained{best}."
    return f"{what}: nothing was trained." if trained is not None else f"{what}."


def _sure(summary: Mapping[str, float], key: str) -> str:
    """A figure and its interval, which narrow cells must not break in two."""
    low, high = summary.get(f"{key}_low"), summary.get(f"{key}_high")
    between = "" if low is None or high is None else f"\u00a0({low:.1f}–\u2060{high:.1f})"
    return f"{summary[key]:.2f}{between}"


def _link(text: str, page: str) -> str:
    return f"[{plain(text)}]({page})" if page else plain(text)
