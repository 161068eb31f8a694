"""What the table, the report and the model card say alike: names, standings, leads, warnings.

Everything here is read from champion.json, and nothing is judged again.
"""

from typing import Any

from squadron.data.contamination import describe_shared
from squadron.wording import figure, join_words, lead_interval


def shown_names(champion: dict[str, Any]) -> dict[str, str]:
    """Returns label -> the name that people read."""
    return {row["label"]: shown_name(row) for row in champion["contenders"]}


def shown_name(row: dict[str, Any]) -> str:
    """Returns the label of a contender; a champion's name also has its version."""
    version = row.get("registered_as")
    return f"{row['label']} ({version})" if version else str(row["label"])


def is_staging(model: dict[str, Any]) -> bool:
    """Returns whether the alias `staging` points at the version of champion.json's model."""
    return bool(model.get("aliases", {}).get("staging") == model["version"])


def read_comparisons(champion: dict[str, Any]) -> list[dict[str, Any]]:
    """Returns the comparisons of the winner with the others, each with the name that people read.

    They stand in the order of the race, so the first one is the nearest to the winner.
    """
    names = shown_names(champion)
    return [
        {**each, "name": names.get(each["label"], each["label"])}
        for each in champion.get("comparisons", [])
    ]


def has_too_few_paragraphs(comparisons: list[dict[str, Any]]) -> bool:
    """Returns whether select has too few paragraphs to compare; then no lead has an interval."""
    return any(each["low"] is None for each in comparisons)


def describe_standing(
    label: str, champion: dict[str, Any], comparison: dict[str, Any] | None, disqualified: str
) -> str:
    """Returns the standing of a contender in words; "" if it was not ranked.

    Args:
        label: Of the contender.
        champion: champion.json.
        comparison: The winner's comparison with it; None if there is none.
        disqualified: The reason for which it was disqualified; "" if it was not.
    """
    if disqualified:
        return "disqualified"
    if label == champion.get("winner"):
        return "winner"
    if comparison is None:
        return ""
    if comparison["significant"]:
        return "behind, more than chance"
    return "may be as good" if comparison["difference"] else "level"


def describe_contamination(champion: dict[str, Any]) -> list[str]:
    """Returns a warning for each split that shares something with train.

    Readers must see them before any figure.
    """
    shared = next((row.get("shared_with_train") for row in champion["contenders"]), None)
    return describe_shared(shared or {})


def describe_leads(champion: dict[str, Any]) -> list[str]:
    """Returns how a tie was decided, how sure the lead is, for what, and what weakens it.

    Args:
        champion: champion.json; its comparisons may be missing.
    """
    tie = [champion["tie"]] if champion.get("tie") else []
    comparisons, split = read_comparisons(champion), champion.get("select_split", {})
    sure = (
        ["Its lead in EM over every other contender is more than chance."]
        if comparisons and all(each["significant"] for each in comparisons)
        else []
    )
    return [
        *tie,
        *sure,
        *_describe_unsure(comparisons, split),
        *_describe_scope(comparisons, split),
        *_describe_reuse(split),
    ]


def describe_doubts(champion: dict[str, Any]) -> list[str]:
    """Returns the sentences of `describe_leads` that speak against trusting the lead."""
    split = champion.get("select_split", {})
    return [*_describe_unsure(read_comparisons(champion), split), *_describe_reuse(split)]


def _describe_unsure(comparisons: list[dict[str, Any]], split: dict[str, Any]) -> list[str]:
    """Returns one sentence about the leads that may be chance; none if there are none."""
    unsure = [each for each in comparisons if not each["significant"]]
    if not unsure:
        return []
    level = [each["name"] for each in unsure if not each["difference"]]
    ahead = [_describe_lead(each) for each in unsure if each["difference"]]
    has_few = has_too_few_paragraphs(unsure)
    winner = "the winner" if has_few else "it"
    parts = [f"{winner} has the same EM as {join_words(level)}"] if level else []
    parts += [f"chance alone could put {winner} ahead of {join_words(ahead)}"] if ahead else []
    shown = "; ".join(parts)
    if not has_few:
        return [f"Its lead is too small to rank: {shown}."]
    few = f" ({split['paragraphs']:,} of at least {split['least_paragraphs']})" if split else ""
    return [f"The select split has too few paragraphs to rank contenders{few}: {shown}."]


def _describe_lead(comparison: dict[str, Any]) -> str:
    """Returns over whom the winner leads, by how much, and the interval."""
    between = lead_interval(comparison)
    shown = f"{comparison['name']} by {figure(comparison['difference'])}"
    return f"{shown} ({between})" if between else shown


def _describe_scope(comparisons: list[dict[str, Any]], split: dict[str, Any]) -> list[str]:
    """Returns for which questions the comparisons hold; nothing if they were not made."""
    if not split or not comparisons or has_too_few_paragraphs(comparisons):
        return []
    titles, paragraphs = split["titles"], split["paragraphs"]
    known = "this title" if titles == 1 else f"these {titles:,} titles"
    held = f"This holds for questions on {known} of select ({paragraphs:,} paragraphs)"
    nearest = comparisons[0]
    between = lead_interval({end: nearest.get(f"title_{end}") for end in ("low", "high")})
    if not between:
        return [f"{held}; there are too few titles to tell how it is on others."]
    return [f"{held}; on other titles the lead over {nearest['name']} is {between}."]


def _describe_reuse(split: dict[str, Any]) -> list[str]:
    """Returns how often the select split chose a winner before; nothing if it did not."""
    before = split.get("chosen_before")
    if not before:
        return []
    races = "another race" if before == 1 else f"{before:,} other races"
    return [
        f"The same select split (digest {split['digest']}) has chosen the winner of {races}: every "
        "further choice by it makes leads look surer than they are."
    ]
