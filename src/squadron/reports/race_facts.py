"""What the table, the report and the model card say alike: standings, leads, gates, warnings.

Everything here is read from the race's result, and nothing is judged again.
"""

from collections import Counter
from collections.abc import Sequence

from squadron.data.contamination import describe_shared
from squadron.scores.leads import Lead
from squadron.scores.race_result import RaceResult, SelectSplit, WinnerVersion
from squadron.wording import counted, figure, join_words, lead_interval


def has_too_few_paragraphs(leads: Sequence[Lead]) -> bool:
    """Returns whether select has too few paragraphs to compare; then no lead has an interval."""
    return any(lead.low is None for lead in leads)


def describe_standing(label: str, result: RaceResult, lead: Lead | None, disqualified: str) -> str:
    """Returns the standing of a contender in words; "" if it was not ranked.

    Args:
        label: Of the contender.
        result: Of the race.
        lead: The winner's lead over it; None if there is none.
        disqualified: The reason for which it was disqualified; "" if it was not.
    """
    if disqualified:
        return "disqualified"
    if label == result.winner:
        return "winner"
    if lead is None:
        return ""
    if lead.significant:
        return "behind, more than chance"
    return "may be as good" if lead.difference else "level"


def describe_contamination(result: RaceResult) -> list[str]:
    """Returns a warning for each split that shares something with train.

    Readers must see them before any figure.
    """
    return describe_shared(result.contenders[0].shared_with_train if result.contenders else {})


def describe_leads(result: RaceResult) -> list[str]:
    """Returns how a tie was decided, how sure the lead is, for what, and what weakens it."""
    leads = result.comparisons
    sure = (
        ["Its lead in EM over every other contender is more than chance."]
        if leads and all(lead.significant for lead in leads)
        else []
    )
    return [
        *([result.tie] if result.tie else []),
        *sure,
        *_describe_unsure(result),
        *_describe_scope(result),
        *_describe_reuse(result.select_split),
    ]


def describe_doubts(result: RaceResult) -> list[str]:
    """Returns the sentences of `describe_leads` that speak against trusting the lead."""
    return [*_describe_unsure(result), *_describe_reuse(result.select_split)]


def count_gates(result: RaceResult) -> list[str]:
    """Returns one sentence that counts the gates, such as "Gates: 3 passed, 1 failed."."""
    outcomes = Counter(verdict.outcome for verdict in result.gates)
    known = ("passed", "failed", "not measured")
    parts = [f"{outcomes[each]} {each}" for each in known if outcomes[each]]
    return [f"Gates: {', '.join(parts)}."] if parts else []


def describe_failure(result: RaceResult) -> str:
    """Returns how many gates the winner failed, such as "failed 1 of 4 gates"; "" for none."""
    failed = len(result.failed_gates)
    return f"failed {failed} of {counted(len(result.gates), 'gate')}" if failed else ""


def explain_gates(result: RaceResult) -> list[str]:
    """Returns one sentence about each gate that failed or was not measured."""
    failed = [f"The gate {gate.name} failed: {gate.why}." for gate in result.failed_gates]
    return failed + [
        f"The gate {gate.name} was {gate.why}." for gate in result.gates if not gate.measured
    ]


def describe_formats(result: RaceResult) -> list[str]:
    """Returns what each serving format gives, and the verdict about the one asked for."""
    gate = result.format_gate
    if gate is None:
        return []
    figures = [
        f"{each.name} {each.exact_match:.2f} EM, {each.milliseconds:.1f} ms per window, "
        f"{each.megabytes:.1f} MB"
        for each in result.formats
    ]
    return [
        f"Served as {result.serving_format} ({'; '.join(figures)}).",
        f"The gate {gate.name} {gate.outcome}: {gate.why}.",
    ]


def describe_promotion(model: WinnerVersion) -> list[str]:
    """Returns one sentence about the promotion that the experiment asks for; none without one."""
    done = model.promotion
    if done is None:
        return []
    if not done.moved:
        return [f"The race did not promote it to {done.alias}: {done.why.rstrip('.')}."]
    before = f", from version {done.previous}" if done.previous else ""
    return [f"The race promoted it to {done.alias}{before}."]


def _describe_unsure(result: RaceResult) -> list[str]:
    """Returns one sentence about the leads that may be chance; none if there are none."""
    unsure = [lead for lead in result.comparisons if not lead.significant]
    if not unsure:
        return []
    names = result.names
    level = [names[lead.label] for lead in unsure if not lead.difference]
    ahead = [_describe_lead(names[lead.label], lead) for lead in unsure if lead.difference]
    has_few = has_too_few_paragraphs(unsure)
    winner = "the winner" if has_few else "it"
    parts = [f"{winner} has the same EM as {join_words(level)}"] if level else []
    parts += [f"chance alone could put {winner} ahead of {join_words(ahead)}"] if ahead else []
    shown = "; ".join(parts)
    if not has_few:
        return [f"Its lead is too small to rank: {shown}."]
    split = result.select_split
    few = f" ({split.paragraphs:,} of at least {split.least_paragraphs})" if split else ""
    return [f"The select split has too few paragraphs to rank contenders{few}: {shown}."]


def _describe_lead(name: str, lead: Lead) -> str:
    """Returns over whom the winner leads, by how much, and the interval."""
    between = lead_interval(lead.estimate())
    shown = f"{name} by {figure(lead.difference)}"
    return f"{shown} ({between})" if between else shown


def _describe_scope(result: RaceResult) -> list[str]:
    """Returns for which questions the comparisons hold; nothing if they were not made."""
    leads, split = result.comparisons, result.select_split
    if not split or not leads or has_too_few_paragraphs(leads):
        return []
    known = "this title" if split.titles == 1 else f"these {split.titles:,} titles"
    held = f"This holds for questions on {known} of select ({split.paragraphs:,} paragraphs)"
    nearest = leads[0]
    between = lead_interval(nearest.estimate("title"))
    if not between:
        return [f"{held}; there are too few titles to tell how it is on others."]
    return [f"{held}; on other titles the lead over {result.names[nearest.label]} is {between}."]


def _describe_reuse(split: SelectSplit | None) -> list[str]:
    """Returns how often the select split chose a winner before; nothing if it did not."""
    if split is None or not split.chosen_before:
        return []
    before = split.chosen_before
    races = "another race" if before == 1 else f"{before:,} other races"
    return [
        f"The same select split (digest {split.digest}) has chosen the winner of {races}: every "
        "further choice by it makes leads look surer than they are."
    ]
