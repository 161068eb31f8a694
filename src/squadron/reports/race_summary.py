"""The lines below the table of a race: what the figures are of, who won, and what to do next."""

from statistics import mean, stdev
from typing import Any

from squadron.reports.race_facts import describe_leads, is_staging, shown_name, shown_names
from squadron.wording import join_words


def describe_figures(champion: dict[str, Any]) -> list[str]:
    """Returns what the figures are of, and what to know before trusting them.

    Args:
        champion: champion.json.
    """
    rows, names = champion["contenders"], shown_names(champion)
    racing = [row for row in rows if row["select"]]
    return [
        *_describe_sizes(racing),
        *_describe_train(racing),
        *_describe_seeds(racing),
        *_describe_types(racing),
        *(
            f"{names[row['label']]} is disqualified: {row['disqualified']}"
            for row in rows
            if row["disqualified"]
        ),
        *_describe_unknown_training(rows),
    ]


def describe_end(champion: dict[str, Any], width: int, squadron: str, pages: str) -> list[str]:
    """Returns the winner, its version, the report, and what to do next.

    Args:
        champion: champion.json, as for `race_table.render_table`.
        width: Columns of the terminal.
        squadron: The command `squadron` as it can be run from here.
        pages: The command that shows MLflow's pages.
    """
    report = [f"Report: {champion['report']}"] if champion.get("report") else []
    if champion.get("refused"):
        return [
            f"Nothing is registered: {champion['refused']}.",
            *report,
            "",
            f"Next: {_describe_remedy(champion)}, and run the same command again. Steps that do "
            "not change come from the cache.",
            f"  {pages}",
        ]
    model = champion["model"]
    return [
        *_describe_winner(champion, model),
        *_describe_version(model),
        *report,
        "",
        "Next:",
        *_list_commands(model, width, squadron),
        f"  {pages}",
    ]


def _describe_sizes(racing: list[dict[str, Any]]) -> list[str]:
    """Returns how many questions select and test have; nothing if nobody was judged."""
    if not racing:
        return []
    select, test = racing[0]["select"], racing[0]["test"]
    tested = f"{test['total']:,} questions" if test else "not judged"
    return [f"select: {select['total']:,} questions, test: {tested}."]


def _describe_train(racing: list[dict[str, Any]]) -> list[str]:
    """Returns what the column `train F1` is; nothing if the race did not measure it."""
    trained = [row["train"] for row in racing if row.get("train")]
    if not trained:
        return []
    return [
        "train F1: measured on the answerable ones of "
        f"{max(row['total'] for row in trained):,} questions that contenders were trained on. "
        "Every question is answered, without a threshold. It only shows that they learn."
    ]


def _describe_seeds(racing: list[dict[str, Any]]) -> list[str]:
    """Returns mean and standard deviation over the seeds of each contender that has several."""
    groups: dict[str, list[dict[str, float]]] = {}
    for row in racing:
        if row.get("group"):
            groups.setdefault(row["group"], []).append(row["select"])
    lines = []
    for group, some in groups.items():
        if len(some) > 1:
            exact, f1 = ([row[key] for row in some] for key in ("exact", "f1"))
            lines.append(
                f"{group} on select over {len(some)} seeds, mean ± standard deviation: "
                f"EM {mean(exact):.2f} ± {stdev(exact):.2f}, F1 {mean(f1):.2f} ± {stdev(f1):.2f}."
            )
    return lines


def _describe_types(racing: list[dict[str, Any]]) -> list[str]:
    """Returns how well contenders that predict the type of a question do so on select."""
    lines = []
    for row in racing:
        select = row["select"]
        for prefix, whose in (("types", "the data's labels"), ("types_rules", "the cue rules")):
            if f"{prefix}_accuracy" in select:
                agreed, macro = (select[f"{prefix}_{key}"] for key in ("accuracy", "macro_f1"))
                lines.append(
                    f"{row['label']} agrees with {whose} on the types of {agreed:.1f} % of "
                    f"questions (macro-F1 {macro:.1f})."
                )
    return lines


def _describe_unknown_training(rows: list[dict[str, Any]]) -> list[str]:
    """Returns who may have seen the judged questions; nothing if all training data are known."""
    unknown = [
        shown_name(row)
        for row in rows
        if not row["disqualified"] and row.get("trained_on") == "unknown"
    ]
    if not unknown:
        return []
    return [
        f"Trained on: unknown for {join_words(unknown)}. They may have seen these questions "
        "before, and their figures may be too high. Declare the data with trained_on."
    ]


def _describe_remedy(champion: dict[str, Any]) -> str:
    """Returns what may help a race that registered nothing."""
    if champion.get("winner"):
        return "train on more questions (data.max_train_examples) or longer (train.epochs)"
    return (
        "change what the reasons name (if a loss is not finite, lower train.learning_rate or set "
        "train.precision: fp32)"
    )


def _describe_winner(champion: dict[str, Any], model: dict[str, Any]) -> list[str]:
    """Returns the winner, how sure its lead is, and what a demo means."""
    winner = shown_names(champion).get(champion["winner"], champion["winner"])
    lines = [f"Winner: {winner} ({champion['why']}).", *describe_leads(champion)]
    if model["validation_status"] == "demo":
        lines.append("These data are too few to rank models on: validation_status=demo.")
        if champion["gate"] != "passed":
            lines.append(f"Outside a demo it would be refused: {champion['gate']}.")
    return lines


def _describe_version(model: dict[str, Any]) -> list[str]:
    """Returns where the winner stands in the registry, and where its aliases came from."""
    version, alias, aliases = model["version"], model["alias"], model.get("aliases", {})
    done = "The champion stays" if model.get("kept") else "Registered"
    shown = f"{done}: {model['name']} version {version}"
    now = aliases.get(alias, version)
    if now != version:
        # This result came from the cache, and another race has registered a model since then.
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


def _list_commands(model: dict[str, Any], width: int, squadron: str) -> list[str]:
    """Returns the commands that ask the winner and, unless it is staging, promote it."""
    name, version = model["name"], model["version"]
    arguments = [f'ask --model {name} --context FILE_OR_TEXT "your question"']
    if not is_staging(model):
        arguments.append(f"promote {version} --model {name} --to staging")
    return [_fold_command(f"  {squadron} {each}", width) for each in arguments]


def _fold_command(line: str, width: int) -> str:
    """Folds a command before its last option if it is too wide; it can still be copied."""
    if len(line) <= width:
        return line
    first, mark, last = line.rpartition(" --")
    return f"{first} \\\n   {mark}{last}"
