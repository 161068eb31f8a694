"""The end of a race as a person reads it: the table of contenders, the winner, what to do next."""

import io
from statistics import mean, stdev
from typing import Any

_LEVEL = "95 %"
"""Of the intervals under the figures, by bootstrap over paragraphs (`significance`)."""


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
    names = [
        f"EM\n{_LEVEL}",
        f"F1\n{_LEVEL}",
        *(["BERTScore\ntest"] if has_near else []),
        "HasAns EM\nNoAns EM",
        f"test EM\n{_LEVEL}",
        f"test F1\n{_LEVEL}",
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
        select, test, train = row["select"], row["test"], row.get("train") or {}
        table.add_row(
            row["label"],
            _sure(select, "exact"),
            _sure(select, "f1"),
            *([_two(select.get("bertscore_f1"), test.get("bertscore_f1"))] if has_near else []),
            _two(select.get("HasAns_exact"), select.get("NoAns_exact")),
            _sure(test, "exact"),
            _sure(test, "f1"),
            *([_figure(train.get("answerable_f1"))] if has_train else []),
            _two(row["seconds"], row["examples_per_second"], 1),
            _count(row["trainable_parameters"]),
        )
    console = Console(width=width, record=True, file=io.StringIO(), highlight=False)
    console.print(table)
    return console.export_text() + "\n".join(_ending(champion))


def _ending(champion: dict[str, Any]) -> list[str]:
    lines = []
    sizes = [row for row in champion["contenders"] if row["select"]]
    if sizes:
        select, test = sizes[0]["select"], sizes[0]["test"]
        lines.append(f"select: {select['total']:,} questions, test: {test['total']:,} questions.")
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
    lines += [*_shared_with_train(champion), *_unknown_training(champion)]
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


def _shared_with_train(champion: dict[str, Any]) -> list[str]:
    """Which figures are partly of what everyone trained on."""
    shares = next((row.get("shared_with_train") for row in champion["contenders"]), None) or {}
    return [
        f"{100 * share:.1f} % of {name} is in train too: figures on {name} may be too high."
        for name, share in shares.items()
    ]


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
    """How sure the winner's lead is."""
    comparisons = champion.get("comparisons", [])
    unsure = [each for each in comparisons if not each["significant"]]
    if not comparisons:
        return []
    if not unsure:
        return ["Its lead in EM over every other contender is more than chance."]
    level = [each["label"] for each in unsure if not each["difference"]]
    ahead = [
        f"{each['label']} by {each['difference']:.2f} ({each['low']:.2f} to {each['high']:.2f})"
        for each in unsure
        if each["difference"]
    ]
    parts = [f"its EM is that of {', '.join(level)}"] if level else []
    parts += [f"chance alone could put it ahead of {', '.join(ahead)}"] if ahead else []
    return [f"Too small to rank: {'; '.join(parts)}."]


def _sure(summary: dict[str, Any], key: str) -> str:
    """A figure and, below it, its interval."""
    low, high = summary.get(f"{key}_low"), summary.get(f"{key}_high")
    below = "-" if low is None or high is None else f"{low:.1f}–{high:.1f}"
    return f"{_figure(summary[key])}\n{below}"


def _two(above: float | None, below: float | None, digits: int = 2) -> str:
    return f"{_figure(above, digits)}\n{_figure(below, digits)}"


def _count(value: float) -> str:
    """A number of parameters in nine columns at most."""
    return f"{int(value):,}" if value < 1e7 else f"{value / 1e6:,.1f}M"


def _figure(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"
