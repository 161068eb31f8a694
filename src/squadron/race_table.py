"""The end of a race as a person reads it: the table of contenders, the winner, what to do next."""

import io
from statistics import mean, stdev
from typing import Any


def render_table(champion: dict[str, Any], width: int = 110) -> str:
    """Draws champion.json.

    Args:
        champion: As the register step wrote it; EM and F1 are 0 to 100.
        width: Columns of the terminal.
    """
    from rich.console import Console
    from rich.table import Table

    table = Table(title="The race, ranked by EM on the select split", title_justify="left")
    # Folded where a terminal is narrow: a figure cut short would read as another one.
    table.add_column("contender", overflow="fold")
    names = (
        "EM",
        "F1",
        "HasAns EM",
        "NoAns EM",
        "test EM",
        "test F1",
        "seconds",
        "examples/s",
        "trainable",
    )
    for name in names:
        table.add_column(name, justify="right", overflow="fold")
    for row in champion["contenders"]:
        if row["disqualified"]:
            table.add_row(row["label"], *("-" for _ in names))
            continue
        select, test = row["select"], row["test"]
        table.add_row(
            row["label"],
            *(_figure(select.get(key)) for key in ("exact", "f1", "HasAns_exact", "NoAns_exact")),
            _figure(test["exact"]),
            _figure(test["f1"]),
            _figure(row["seconds"], 1),
            _figure(row["examples_per_second"], 1),
            f"{int(row['trainable_parameters']):,}",
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
    ranges = [
        f"{row['label']} {row['select']['exact_low']:.2f} to {row['select']['exact_high']:.2f}"
        for row in champion["contenders"]
        if row["select"] and "exact_low" in row["select"]
    ]
    if ranges:
        lines.append(f"EM on select, 95 % intervals: {', '.join(ranges)}.")
    lines += _spreads(champion)
    lines += [
        f"{row['label']} is disqualified: {row['disqualified']}"
        for row in champion["contenders"]
        if row["disqualified"]
    ]
    if champion.get("refused"):
        return [*lines, f"Nothing is registered: {champion['refused']}."]
    model = champion["model"]
    lines.append(f"Winner: {champion['winner']} ({champion['why']}).")
    lines += _leads(champion)
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


def _leads(champion: dict[str, Any]) -> list[str]:
    """How sure the winner's lead is."""
    comparisons = champion.get("comparisons", [])
    unsure = [each for each in comparisons if not each["significant"]]
    if not comparisons:
        return []
    if not unsure:
        return ["Its lead in EM over every other contender is more than chance."]
    leads = ", ".join(
        f"{each['label']} by {each['difference']:.2f} ({each['low']:.2f} to {each['high']:.2f})"
        for each in unsure
    )
    return [f"Too small to rank: chance alone could put it ahead of {leads}."]


def _figure(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"
