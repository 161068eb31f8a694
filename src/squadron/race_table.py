"""The end of a race as a person reads it: the table of contenders, the winner, what to do next."""

import io
from statistics import mean, stdev
from typing import Any

from squadron.contamination import describe_shared

_LEVEL = "95 %"
"""Of the intervals under the figures (`significance.interval`)."""


def render_table(champion: dict[str, Any], width: int = 110) -> str:
    """Draws champion.json.

    Args:
        champion: As the register step wrote it; EM and F1 are 0 to 100.
        width: Columns of the terminal.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title="The race, ranked by EM on the select split", title_justify="left", show_lines=True
    )
    # Folded where a terminal is narrow: a figure cut short would read as another one.
    table.add_column("contender", overflow="fold")
    # Without a threshold: abstaining would hide what little a demo learns.
    has_train = any(row.get("train") for row in champion["contenders"])
    # Only where the experiment asked for it.
    has_near = any("bertscore_f1" in (row["select"] or {}) for row in champion["contenders"])
    has_titles = any("exact_title_low" in (row["select"] or {}) for row in champion["contenders"])
    level = f"{_LEVEL}\nby title" if has_titles else _LEVEL
    names = [
        f"EM\n{level}",
        f"F1\n{level}",
        *(["BERTScore\ntest"] if has_near else []),
        "HasAns EM\nNoAns EM",
        f"test EM\n{level}",
        f"test F1\n{level}",
        *(["train F1"] if has_train else []),
        "seconds\nexamples/s",
        "trainable",
    ]
    for name in names:
        table.add_column(name, justify="right", overflow="fold")
    for row in champion["contenders"]:
        if row["disqualified"]:
            table.add_row(row["label"], *("-" for _ in names))
            continue
        # A test split that was trained on has no figures.
        select, test, train = row["select"], row["test"] or {}, row.get("train") or {}
        table.add_row(
            row["label"],
            _sure(select, "exact", has_titles),
            _sure(select, "f1", has_titles),
            *([_two(select.get("bertscore_f1"), test.get("bertscore_f1"))] if has_near else []),
            _two(select.get("HasAns_exact"), select.get("NoAns_exact")),
            _sure(test, "exact", has_titles),
            _sure(test, "f1", has_titles),
            *([_figure(train.get("answerable_f1"))] if has_train else []),
            _two(row["seconds"], row["examples_per_second"], 1),
            _count(row["trainable_parameters"]),
        )
    console = Console(width=width, record=True, file=io.StringIO(), highlight=False)
    console.print(table)
    warnings = "".join(f"Warning: {each}\n" for each in describe_contamination(champion))
    return warnings + console.export_text() + "\n".join(_ending(champion))


def _ending(champion: dict[str, Any]) -> list[str]:
    lines = []
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
        f"{row['label']} is disqualified: {row['disqualified']}"
        for row in champion["contenders"]
        if row["disqualified"]
    ]
    lines += _unknown_training(champion)
    if champion.get("refused"):
        return [*lines, f"Nothing is registered: {champion['refused']}."]
    model = champion["model"]
    lines.append(f"Winner: {champion['winner']} ({champion['why']}).")
    lines += describe_leads(champion)
    status = model["validation_status"]
    if status == "demo":
        lines.append("These data are too few to rank models on: validation_status=demo.")
        if champion["gate"] != "passed":
            lines.append(f"Outside a demo it would be refused: {champion['gate']}.")
    done = "The champion stays" if model.get("kept") else "Registered"
    lines.append(f"{done}: {model['name']} version {model['version']}, alias {model['alias']!r}.")
    return [
        *lines,
        "",
        "Next:",
        f'  squadron ask --model {model["name"]} --context FILE_OR_TEXT "your question"',
        f"  squadron promote {model['version']} --model {model['name']} --to staging",
        "  make ui",
    ]


def describe_contamination(champion: dict[str, Any]) -> list[str]:
    """Which splits share something with train; it is said before every figure."""
    shared = next((row.get("shared_with_train") for row in champion["contenders"]), None)
    return describe_shared(shared or {})


def _unknown_training(champion: dict[str, Any]) -> list[str]:
    """Who may have seen the judged questions, because nobody recorded what it was trained on."""
    rows = [row for row in champion["contenders"] if not row["disqualified"]]
    labels = [row["label"] for row in rows if row.get("trained_on") == "unknown"]
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
    """How sure the winner's lead is, what that holds for, and how often select chose before."""
    comparisons = champion.get("comparisons", [])
    split = champion.get("select_split", {})
    if not comparisons:
        return _describe_reuse(split)
    unsure = [each for each in comparisons if not each["significant"]]
    if not unsure:
        lines = ["Its lead in EM over every other contender is more than chance."]
    else:
        lines = [_describe_unsure(unsure, split)]
    return [*lines, *_describe_scope(comparisons, split), *_describe_reuse(split)]


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
