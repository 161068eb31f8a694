"""The end of a race as a person reads it: the table of contenders, the winner, what to do next."""

import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from squadron.data.contamination import describe_shared

WIDEST = 120
"""Columns of the table at most, and wherever there is no terminal."""
LEAST_NEEDED = (
    "trainable",
    "seconds",
    "train F1",
    "BERTScore",
    "HasAns and NoAns EM",
    "test F1",
    "F1",
    "test EM",
)
"""Columns that a narrow terminal does without, the first one first. EM on select always stays."""
_LEVEL = "95 %"
"""Of the intervals under the figures (`significance.interval`)."""
_LABEL_WIDTH = 11
"""Labels are folded to this before a column of figures is left out: "champion", "(version 3)"."""
_BETWEEN = 3
"""What a column takes besides its content: two blanks and a line."""


@dataclass(frozen=True)
class _Column:
    """A column of figures."""

    name: str
    """As LEAST_NEEDED has it."""
    title: str
    cell: Callable[[dict[str, Any]], str]
    """Of a row of champion.json that was not disqualified."""

    def cells(self, rows: list[dict[str, Any]]) -> list[str]:
        """Of all rows."""
        return ["-" if row["disqualified"] else self.cell(row) for row in rows]

    def width(self, rows: list[dict[str, Any]]) -> int:
        """What it takes so that nothing is folded."""
        return _BETWEEN + _longest([self.title, *self.cells(rows)])


def screen_width() -> int:
    """The columns of the terminal, at most `WIDEST`, which also stands for no terminal at all."""
    return min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns)


def render_table(
    champion: dict[str, Any],
    width: int = WIDEST,
    squadron: str = "squadron",
    pages: str = "make ui",
) -> str:
    """Draws champion.json.

    Args:
        champion: As the register step wrote it; EM and F1 are 0 to 100. With "report", where the
            report is, and with the aliases as they are now, if the caller knows them.
        width: Columns of the terminal. Where they are too few, `LEAST_NEEDED` says which figures
            are left out; no figure is ever cut.
        squadron: The command as it can be run from here.
        pages: The command that shows MLflow's pages.
    """
    from rich.console import Console
    from rich.table import Table

    rows, names = champion["contenders"], shown_names(champion)
    columns, left_out = _fit(_list_columns(rows), rows, list(names.values()), width)
    table = Table(
        title="The race, ranked by EM on the select split", title_justify="left", show_lines=True
    )
    # A label is folded where there is little room. A figure that is cut would read as another one.
    table.add_column("contender", overflow="fold")
    for column in columns:
        table.add_column(column.title, justify="right", overflow="fold", no_wrap=True)
    for row in rows:
        cells = ("-" if row["disqualified"] else column.cell(row) for column in columns)
        table.add_row(names[row["label"]], *cells)
    console = Console(width=width, record=True, file=io.StringIO(), highlight=False)
    console.print(table)
    lines = []
    if left_out:
        lines.append(f"Left out, as {width} columns have no room: {', '.join(left_out)}.")
    lines += [*_describe(champion), *_end(champion, width, squadron, pages)]
    warnings = "".join(f"Warning: {each}\n" for each in describe_contamination(champion))
    return warnings + console.export_text() + "\n".join(lines)


def _list_columns(rows: list[dict[str, Any]]) -> list[_Column]:
    """All columns that the race has figures for."""
    # Without a threshold: abstaining would hide what little a demo learns.
    has_train = any(row.get("train") for row in rows)
    # Only where the experiment asked for it.
    has_near = any("bertscore_f1" in (row["select"] or {}) for row in rows)
    has_titles = any("exact_title_low" in (row["select"] or {}) for row in rows)
    level = f"{_LEVEL}\nby title" if has_titles else _LEVEL

    def sure(split: str, key: str) -> Callable[[dict[str, Any]], str]:
        # A test split that was trained on has no figures.
        return lambda row: _sure(row[split] or {}, key, has_titles)

    near = _Column(
        "BERTScore",
        "BERTScore\ntest",
        lambda row: _two(
            row["select"].get("bertscore_f1"), (row["test"] or {}).get("bertscore_f1")
        ),
    )
    train = _Column(
        "train F1",
        "train F1",
        lambda row: _figure((row.get("train") or {}).get("answerable_f1")),
    )
    return [
        _Column("EM", f"EM\n{level}", sure("select", "exact")),
        _Column("F1", f"F1\n{level}", sure("select", "f1")),
        *([near] if has_near else []),
        _Column(
            "HasAns and NoAns EM",
            "HasAns EM\nNoAns EM",
            lambda row: _two(row["select"].get("HasAns_exact"), row["select"].get("NoAns_exact")),
        ),
        _Column("test EM", f"test EM\n{level}", sure("test", "exact")),
        _Column("test F1", f"test F1\n{level}", sure("test", "f1")),
        *([train] if has_train else []),
        _Column(
            "seconds",
            "seconds\nexamples/s",
            lambda row: _two(row["seconds"], row["examples_per_second"], 1),
        ),
        _Column("trainable", "trainable", lambda row: _count(row["trainable_parameters"])),
    ]


def _fit(
    columns: list[_Column], rows: list[dict[str, Any]], names: list[str], width: int
) -> tuple[list[_Column], list[str]]:
    """The columns that fit the width, and the names of those that don't."""
    labels = min(_LABEL_WIDTH, _longest(names)) + _BETWEEN + 1
    kept, left_out = list(columns), []
    for name in LEAST_NEEDED:
        if labels + sum(column.width(rows) for column in kept) <= width:
            break
        left_out += [column.name for column in kept if column.name == name]
        kept = [column for column in kept if column.name != name]
    return kept, left_out


def _longest(texts: list[str]) -> int:
    return max((len(line) for text in texts for line in text.split("\n")), default=0)


def shown_names(champion: dict[str, Any]) -> dict[str, str]:
    """Label -> what people read: a champion with the version that it is."""
    return {row["label"]: _name(row) for row in champion["contenders"]}


def _name(row: dict[str, Any]) -> str:
    version = row.get("registered_as")
    return f"{row['label']} ({version})" if version else str(row["label"])


def _describe(champion: dict[str, Any]) -> list[str]:
    """What the figures are of, and what to know before believing them."""
    lines, names = [], shown_names(champion)
    sizes = [row for row in champion["contenders"] if row["select"]]
    if sizes:
        select, test = sizes[0]["select"], sizes[0]["test"]
        tested = f"{test['total']:,} questions" if test else "not judged"
        lines.append(f"select: {select['total']:,} questions, test: {tested}.")
    trained = [row["train"] for row in sizes if row.get("train")]
    if trained:
        lines.append(
            f"train F1: the answerable ones of {max(row['total'] for row in trained):,} questions "
            "that contenders were trained on, each answered, no threshold: shows that they learn, "
            "no more."
        )
    lines += _spreads(champion)
    lines += _types(champion)
    lines += [
        f"{names[row['label']]} is disqualified: {row['disqualified']}"
        for row in champion["contenders"]
        if row["disqualified"]
    ]
    return [*lines, *_unknown_training(champion)]


def _end(champion: dict[str, Any], width: int, squadron: str, pages: str) -> list[str]:
    """The winner, its version, the report and what to do next."""
    report = [f"Report: {champion['report']}"] if champion.get("report") else []
    if champion.get("refused"):
        return [
            f"Nothing is registered: {champion['refused']}.",
            *report,
            "",
            f"Next: {_remedy(champion)}, and run the same command again. Steps that do not change "
            "come from the cache.",
            f"  {pages}",
        ]
    model = champion["model"]
    winner = shown_names(champion).get(champion["winner"], champion["winner"])
    lines = [f"Winner: {winner} ({champion['why']}).", *describe_leads(champion)]
    if model["validation_status"] == "demo":
        lines.append("These data are too few to rank models on: validation_status=demo.")
        if champion["gate"] != "passed":
            lines.append(f"Outside a demo it would be refused: {champion['gate']}.")
    name, version = model["name"], model["version"]
    ask = f'ask --model {name} --context FILE_OR_TEXT "your question"'
    commands = [_command(squadron, ask, width)]
    if not is_staging(model):
        commands.append(_command(squadron, f"promote {version} --model {name} --to staging", width))
    return [*lines, *_describe_version(model), *report, "", "Next:", *commands, f"  {pages}"]


def _remedy(champion: dict[str, Any]) -> str:
    """What may help a race that registered nothing."""
    if champion.get("winner"):
        return "train on more questions (data.max_train_examples) or longer (train.epochs)"
    return (
        "change what the reasons name (a loss that is not finite asks for a lower "
        "train.learning_rate, or for train.precision: fp32)"
    )


def _describe_version(model: dict[str, Any]) -> list[str]:
    """Where the winner stands in the registry, and where its aliases came from."""
    version, alias, aliases = model["version"], model["alias"], model.get("aliases", {})
    done = "The champion stays" if model.get("kept") else "Registered"
    shown = f"{done}: {model['name']} version {version}"
    now = aliases.get(alias, version)
    if now != version:
        # The race's result is an older one: another race has registered a model since.
        lines = [f"{shown}. The alias {alias!r} points at version {now} now."]
    elif model.get("previous"):
        moved = f"moved there from version {model['previous']}"
        lines = [f"{shown}; the alias {alias!r} {moved}."]
    else:
        lines = [f"{shown}, alias {alias!r}."]
    if is_staging(model):
        return [*lines, f"Version {version} is staging already."]
    if "staging" in aliases:
        lines.append(f"The alias 'staging' points at version {aliases['staging']}.")
    return lines


def is_staging(model: dict[str, Any]) -> bool:
    """Whether the alias `staging` points at the version of champion.json's model."""
    return bool(model.get("aliases", {}).get("staging") == model["version"])


def _command(program: str, arguments: str, width: int) -> str:
    """A command that can be copied as it is; one that is too wide goes on in a second line."""
    line = f"  {program} {arguments}"
    if len(line) <= width:
        return line
    first, mark, last = line.rpartition(" --")
    return f"{first} \\\n   {mark}{last}"


def describe_contamination(champion: dict[str, Any]) -> list[str]:
    """Which splits share something with train; it is said before every figure."""
    shared = next((row.get("shared_with_train") for row in champion["contenders"]), None)
    return describe_shared(shared or {})


def _unknown_training(champion: dict[str, Any]) -> list[str]:
    """Who may have seen the judged questions, because nobody recorded what it was trained on."""
    rows = [row for row in champion["contenders"] if not row["disqualified"]]
    labels = [_name(row) for row in rows if row.get("trained_on") == "unknown"]
    if not labels:
        return []
    return [
        f"Trained on: unknown for {', '.join(labels)}. They may have seen these questions before, "
        "and their figures may be too high; declare the data with trained_on."
    ]


def _spreads(champion: dict[str, Any]) -> list[str]:
    """Mean and standard deviation over the seeds of a contender."""
    groups: dict[str, list[dict[str, float]]] = {}
    for row in champion["contenders"]:
        if row.get("group") and row["select"]:
            groups.setdefault(row["group"], []).append(row["select"])
    lines = []
    for group, some in groups.items():
        if len(some) < 2:
            continue
        exact, f1 = ([row[key] for row in some] for key in ("exact", "f1"))
        lines.append(
            f"{group} on select over {len(some)} seeds, mean ± standard deviation: "
            f"EM {mean(exact):.2f} ± {stdev(exact):.2f}, F1 {mean(f1):.2f} ± {stdev(f1):.2f}."
        )
    return lines


def _types(champion: dict[str, Any]) -> list[str]:
    """How well contenders that tell the type of a question do so, on select."""
    lines = []
    for row in champion["contenders"]:
        select = row["select"] or {}
        for prefix, whose in (("types", "the data's labels"), ("types_rules", "the cue rules")):
            if f"{prefix}_accuracy" in select:
                agreed, macro = (select[f"{prefix}_{key}"] for key in ("accuracy", "macro_f1"))
                lines.append(
                    f"{row['label']} on types of questions: {agreed:.1f} % as {whose} say, "
                    f"macro-F1 {macro:.1f}."
                )
    return lines


def describe_leads(champion: dict[str, Any]) -> list[str]:
    """How a tie was decided, how sure the lead is and for what, how often select chose before."""
    tie = [champion["tie"]] if champion.get("tie") else []
    names = shown_names(champion)
    comparisons = [
        {**each, "label": names.get(each["label"], each["label"])}
        for each in champion.get("comparisons", [])
    ]
    split = champion.get("select_split", {})
    if not comparisons:
        return [*tie, *_describe_reuse(split)]
    unsure = [each for each in comparisons if not each["significant"]]
    if not unsure:
        lines = ["Its lead in EM over every other contender is more than chance."]
    else:
        lines = [_describe_unsure(unsure, split)]
    return [*tie, *lines, *_describe_scope(comparisons, split), *_describe_reuse(split)]


def _describe_unsure(unsure: list[dict[str, Any]], split: dict[str, Any]) -> str:
    level = [each["label"] for each in unsure if not each["difference"]]
    ahead = [_lead(each) for each in unsure if each["difference"]]
    parts = [f"its EM is that of {', '.join(level)}"] if level else []
    parts += [f"chance alone could put it ahead of {', '.join(ahead)}"] if ahead else []
    shown = "; ".join(parts)
    if has_too_few_paragraphs(unsure):
        few = f"{split['paragraphs']:,} of at least {split['least_paragraphs']}" if split else ""
        return f"Too few paragraphs to rank{f' ({few})' if few else ''}: {shown}."
    return f"Too small to rank: {shown}."


def has_too_few_paragraphs(comparisons: list[dict[str, Any]]) -> bool:
    """Whether select has too few paragraphs for any comparison; then no lead has an interval."""
    return any(each["low"] is None for each in comparisons)


def _lead(comparison: dict[str, Any]) -> str:
    shown = f"{comparison['label']} by {comparison['difference']:.2f}"
    low, high = comparison["low"], comparison["high"]
    return shown if low is None or high is None else f"{shown} ({low:.2f} to {high:.2f})"


def _describe_scope(comparisons: list[dict[str, Any]], split: dict[str, Any]) -> list[str]:
    """For which questions the comparisons hold."""
    if not split or has_too_few_paragraphs(comparisons):
        return []
    titles, paragraphs = split["titles"], split["paragraphs"]
    known = "this title" if titles == 1 else f"these {titles:,} titles"
    held = f"This holds for questions on {known} of select ({paragraphs:,} paragraphs)"
    # The contenders are in their order: the first of the others is the nearest one.
    nearest = comparisons[0]
    low, high = nearest.get("title_low"), nearest.get("title_high")
    if low is None or high is None:
        return [f"{held}; there are too few titles to tell how it is on others."]
    return [f"{held}; on other titles the lead over {nearest['label']} is {low:.2f} to {high:.2f}."]


def _describe_reuse(split: dict[str, Any]) -> list[str]:
    """How often the select split chose a winner before, where it did."""
    before = split.get("chosen_before")
    if not before:
        return []
    races = "another race" if before == 1 else f"{before:,} other races"
    return [
        f"The same select split (digest {split['digest']}) has chosen the winner of {races}: every "
        "further choice by it makes leads look surer than they are."
    ]


def _sure(summary: dict[str, Any], key: str, has_titles: bool) -> str:
    """A figure and, below it, its interval by paragraph and, where wanted, by title."""
    lines = [_figure(summary.get(key))]
    for infix in ("", "_title") if has_titles else ("",):
        low, high = summary.get(f"{key}{infix}_low"), summary.get(f"{key}{infix}_high")
        lines.append("-" if low is None or high is None else f"{low:.1f}–{high:.1f}")
    return "\n".join(lines)


def _two(above: float | None, below: float | None, digits: int = 2) -> str:
    return f"{_figure(above, digits)}\n{_figure(below, digits)}"


def _count(value: float) -> str:
    """A number of parameters in nine columns at most."""
    return f"{int(value):,}" if value < 1e7 else f"{value / 1e6:,.1f}M"


def _figure(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"
