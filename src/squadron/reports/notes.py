"""What MLflow shows about a race: descriptions in Markdown, and a view of its contenders.

This module only makes texts; `tracking` and `registry` store them. Links are relative links of
MLflow's own pages, so they hold on every server and without one.
"""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from squadron.reports.markdown import LONGEST, plain
from squadron.reports.search_facts import SHOWN
from squadron.wording import LEVEL, MISSING, counted, figure_with_interval, lead_interval, words

if TYPE_CHECKING:
    from squadron.reports.report import Report
    from squadron.reports.rows import Row
    from squadron.scores.figures import SplitFigures
    from squadron.scores.open_domain import OpenDomain

MOST_KINDS = 3
"""Maximum number of kinds of wrong answers that a contender's description names."""
PROMOTION = "squadron promote VERSION --model NAME --to staging"
VIEW = "contenders"
"""The key of the view in links; see `contenders_view`."""


def describe_experiment(runs_page: str) -> str:
    """Describes what a race is and how to read it.

    Args:
        runs_page: The page of the experiment with the view of contenders; "" for none.
    """
    view = (
        f" [All contenders of all races, best EM on select first]({runs_page})."
        if runs_page
        else ""
    )
    return (
        "Races of extractive question-answering models: contenders are trained on the same data, "
        "judged on the same questions, and the best one is registered.\n\n"
        f"- A race is a parent run, and each contender is a child run. Begin with the last race's "
        f"description and its report.html.{view}\n"
        "- The name of a figure begins with its split. tune settles thresholds and the best epoch, "
        "so its figures are too high. select chooses the winner. test decides nothing and is only "
        "reported. No question of the three was trained on.\n"
        f"- EM (exact_match) and F1 are the official SQuAD figures, 0 to 100. low and high are "
        f"{LEVEL} intervals for the titles that were asked about, title_low and title_high are for "
        "other titles. Two contenders whose intervals overlap may still differ. squadron.standing "
        "says what a paired comparison found.\n"
        f"- The winner gets the alias candidate. A person promotes it with `{PROMOTION}`. An alias "
        "that is set on the version's page works, too, but is in no history.\n"
    )


def describe_model(name: str) -> str:
    """Describes a registered model: what it does, what its aliases mean, how to use it."""
    promotion = PROMOTION.replace("NAME", name)
    return (
        "Answers questions with a piece of a given text, or says that the text has no answer.\n\n"
        "- Each version won a race. Its description has its figures and its limits, and links to "
        "the race.\n"
        "- The alias candidate is the last winner. The aliases staging and production are the "
        "versions that were promoted.\n"
        f"- Promote: `{promotion}`. MLflow's button Promote model does something else: it copies a "
        "version under another name.\n"
        f"- Go back: `squadron rollback staging --model {name}`. Who promoted what, when and why: "
        f"`squadron history staging --model {name}`.\n"
        f'- Ask: `squadron ask --model {name} --context FILE_OR_TEXT "your question"`.\n'
    )


def describe_race(report: "Report", pages: Mapping[str, str]) -> str:
    """Describes a race for its parent run: the verdict, the table and what to open.

    Args:
        report: The report of the race.
        pages: Label -> page of the child run, and "" -> page of the parent; see
            `tracking.run_page`.
    """
    verdict = report.verdict
    parts = [
        # The beginning has no markup, because lists of runs show it as it is written.
        *(f"Warning: {plain(warning)}" for warning in verdict.warnings),
        plain(verdict.headline),
        f"Begin with {_link('report.html', artifact(pages.get('', ''), 'report.html'))}: it has "
        "plots, wrong answers and all figures.",
    ]
    synthetic = report.validation.describe_synthetic()
    parts += [plain(synthetic)] if synthetic else []
    ending = "".join(f"- {plain(reason)}\n" for reason in verdict.reasons)
    if verdict.commands:
        ending += "\n" + "\n".join(f"`{command}`" for command in verdict.commands) + "\n"
    ending += (
        "\nEach contender has a description and, among its artifacts, errors.json (wrong answers) "
        "and breakdown.json (figures by kinds of questions)."
    )
    room = LONGEST - sum(map(len, parts)) - len(ending)
    table = _race_table(report, pages, room)
    return "\n\n".join([*parts, table, ending])[:LONGEST]


def describe_contender(row: "Row", report: "Report", pages: Mapping[str, str]) -> str:
    """Describes how a contender did and what it is, for its child run.

    Args:
        row: The contender.
        report: The report of its race.
        pages: As for `describe_race`.
    """
    from squadron.scores.error_kinds import KIND_TEXTS

    race = _link(report.race, pages.get("", ""))
    sentences = [f"{_standing(row, report)} Race {race}."]
    select, test = row.select, row.test
    judged = [
        f"On {name}, {figures.total:,} questions: "
        f"EM {figure_with_interval(figures.estimate('exact_match'), names_level=True)}, "
        f"F1 {figure_with_interval(figures.estimate('f1'), names_level=True)}."
        for name, figures in (("select", select), ("test", test))
        if figures
    ]
    sentences += [" ".join(judged)] if judged else []
    if row.result.open_domain:
        sentences.append(_describe_search(row.result.open_domain))
    sentences.append(_origin(row, report))
    wrong = sum(row.kinds.values())
    if select and wrong:
        most = sorted(row.kinds.items(), key=lambda each: -each[1])[:MOST_KINDS]
        shown = "".join(
            f"\n- {words(kind)}, {count}: {KIND_TEXTS[kind]}" for kind, count in most if count
        )
        place = artifact(pages.get(row.label, ""), "errors.json")
        sentences.append(
            f"It is wrong on {wrong:,} of {select.total:,} questions of select "
            f"({_link('errors.json', place)} lists them). The most frequent kinds:{shown}"
        )
    return "\n\n".join(sentences)[:LONGEST]


def contenders_view(created: int) -> str:
    """Returns a view of MLflow's list of runs: contenders only, best EM on select first.

    The layout is MLflow 3's own. Its page combines it with the default layout and ignores what its
    release does not know.

    Args:
        created: When the view was made, in milliseconds since 1970.
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
    """Returns the page of a run's artifact; "" without a run's page."""
    place, mark, query = page.partition("?")
    return f"{place}/artifacts/{name}{mark}{query}" if page else ""


def _race_table(report: "Report", pages: Mapping[str, str], room: int) -> str:
    """Returns a table in `room` characters; its last line counts the contenders left out."""
    heads = ("contender", "standing", "EM on select", "F1 on select", "EM on test")
    lines = [_line(heads), "|---" * len(heads) + "|"]
    for number, row in enumerate(report.rows):
        select, test = row.select, row.test
        cells = [
            _link(row.name, pages.get(row.label, "")),
            row.mark,
            _figure_cell(select, "exact_match"),
            _figure_cell(select, "f1"),
            _figure_cell(test, "exact_match"),
        ]
        line = _line(cells)
        if sum(len(each) + 1 for each in lines) + len(line) + 60 > room:
            left = len(report.rows) - number
            return "\n".join([*lines, "", f"The other {left} are in report.html."])
        lines.append(line)
    return "\n".join([*lines, "", f"In brackets: {LEVEL} intervals."])


def _line(cells: Iterable[str]) -> str:
    """Returns a line of a Markdown table. MLflow's page leaves no room between cells."""
    return "| " + " | ".join(f"{cell}\u00a0\u00a0" for cell in cells) + " |"


def _standing(row: "Row", report: "Report") -> str:
    """Returns the standing of a contender as a sentence."""
    if row.disqualified:
        return f"Disqualified: {plain(row.disqualified).rstrip('.')}."
    if row.mark == "winner":
        tie = f" {plain(report.result.tie)}" if report.result.tie else ""
        why = plain(report.result.why)
        return f"It is the winner of {counted(len(report.rows), 'contender')}, with the {why}.{tie}"
    if row.lead is None:
        return "It was not ranked."
    winner = plain(report.result.winner)
    if row.mark == "level":
        return f"It has the same EM on select as the winner, {winner}."
    lead = row.lead
    behind = f"It is behind the winner, {winner}, by {lead.difference:.2f} points of EM on select"
    between = lead_interval(lead.estimate())
    if not between:
        return f"{behind}. There are too few paragraphs to tell whether this is chance."
    behind += f" ({LEVEL} interval {between})"
    return f"{behind}, more than chance." if lead.significant else f"{behind}. This may be chance."


def _origin(row: "Row", report: "Report") -> str:
    """Returns the variant, the backbone and what was trained as a sentence."""
    backbone = row.result.params.get("backbone")
    where = f" on the backbone {plain(backbone)}" if backbone else ""
    what = f"Variant {plain(row.result.variant)}{where}"
    training = row.training
    trained, whole = training.trainable_parameters, training.parameters
    if trained:
        of = f" of {int(whole):,}" if whole and whole != trained else ""
        is_judged = training.best_exact_match is not None
        best = f", best on tune in epoch {training.best_epoch}" if is_judged else ""
        return f"{what}: {int(trained):,} parameters{of} were trained{best}."
    return f"{what}: nothing was trained." if trained is not None else f"{what}."


def _describe_search(open_domain: "OpenDomain") -> str:
    """Returns how a contender answers select if the passage must be found, as a sentence."""
    split, index = open_domain.splits["select"], open_domain.index
    found = figure_with_interval(split.methods[SHOWN].estimate("exact_match"), names_level=True)
    given = figure_with_interval(split.given.estimate("exact_match"))
    return (
        f"On {split.searched.questions:,} of these questions, with the passage to be found by "
        f"{SHOWN} search among {index.passages:,}: EM {found}; with the context given, {given}. "
        "open_domain.json has all searches."
    )


def _figure_cell(figures: "SplitFigures | None", name: str) -> str:
    """Returns a figure with its interval, marked so that a narrow cell keeps it on one line."""
    if figures is None:
        return MISSING
    shown = figure_with_interval(figures.estimate(name))
    return shown.replace(" ", "\u00a0").replace("–", "–\u2060")


def _link(text: str, page: str) -> str:
    """Returns a link to a page, or the text alone without one."""
    return f"[{plain(text)}]({page})" if page else plain(text)
