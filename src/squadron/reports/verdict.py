"""The verdict of a report: which model to promote, why, and how sure that is.

It words what champion.json says and judges nothing again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from squadron.reports import race_facts
from squadron.reports.rows import Row
from squadron.wording import LEVEL, figure, interval, join_words

MOST_NAMES = 2
"""Contenders that a headline names. It counts more of them."""
STATUS_TEXTS = {
    "demo": "demo: these data are too few to rank models on",
    "passed": "passed: the model beats answering nothing",
}
"""validation_status in words."""


@dataclass(frozen=True)
class Verdict:
    """What a reviewer reads first."""

    tone: str
    """"certain", "unsure" or "none"."""
    headline: str
    reasons: list[str]
    commands: list[str] = field(default_factory=list)
    """What to run to follow the verdict."""
    warnings: list[str] = field(default_factory=list)
    """What judged splits share with train; the page shows it before the headline."""


def judge_race(champion: dict[str, Any], rows: Sequence[Row]) -> Verdict:
    """Words champion.json as one headline, the reasons for it, commands, and warnings.

    Args:
        champion: champion.json.
        rows: All contenders.
    """
    warnings = race_facts.describe_contamination(champion)
    return replace(_judge(champion, rows), warnings=warnings)


def _judge(champion: dict[str, Any], rows: Sequence[Row]) -> Verdict:
    """Returns the verdict without warnings."""
    refused = str(champion.get("refused", ""))
    winner = next((row for row in rows if row.label == champion.get("winner")), None)
    if winner is None or winner.select is None:
        why = refused or "nothing was judged"
        return Verdict("none", f"There is no model to promote: {why}.", [])
    reasons = [
        _describe_win(winner, winner.select, str(champion["why"])),
        *race_facts.describe_leads(champion),
        *_describe_test(winner, rows),
    ]
    if refused:
        return Verdict("none", "Promote nothing: no model passed the gate.", [*reasons, refused])
    model = champion["model"]
    status = model["validation_status"]
    reasons.append(f"The validation status is {STATUS_TEXTS.get(status, status)}.")
    gate = champion.get("gate", "passed")
    if gate != "passed":
        reasons.append(f"Outside a demo it would be refused: {gate}.")
    if status == "demo":
        return Verdict("none", f"{winner.name} is first, but don't promote a demo.", reasons)
    if model.get("kept"):
        kept = f"{model['name']} version {model['version']}"
        return Verdict("certain", f"Keep the champion, {kept}.", reasons)
    advice, commands = _advise(winner, model)
    doubt = _doubt(champion)
    tone = "unsure" if doubt else "certain"
    return Verdict(tone, f"{advice}{doubt}.", reasons, commands)


def _describe_win(winner: Row, select: dict[str, Any], why: str) -> str:
    """Returns what the winner won with, and the interval of its EM.

    Args:
        winner: The row of the winner.
        select: Its figures on select.
        why: As in champion.json, such as "highest EM on select, 61.23".
    """
    em, between = f"{select['exact']:.2f}", interval(select, "exact")
    if between:
        why = why.replace(em, f"{em} ({LEVEL} interval {between})", 1)
    return (
        f"{winner.name} has the {why}, on {select['total']:,} questions that it was not trained on."
    )


def _describe_test(winner: Row, rows: Sequence[Row]) -> list[str]:
    """Returns one sentence if another contender is ahead on test."""
    exact = {row.name: row.test["exact"] for row in rows if row.test}
    if not winner.test or not exact:
        return []
    best = max(exact, key=lambda name: exact[name])
    if exact[best] <= exact[winner.name]:
        return []
    return [
        f"On test, which decides nothing, {best} is ahead: its EM is {figure(exact[best])}, and "
        f"{winner.name} has {figure(exact[winner.name])}."
    ]


def _advise(winner: Row, model: dict[str, Any]) -> tuple[str, list[str]]:
    """Returns the advice of the headline and the commands that follow it."""
    name, version = model["name"], model["version"]
    shown = f"{winner.name} ({name} version {version})"
    if race_facts.is_staging(model):
        return f"{shown} is staging already", []
    return f"Promote {shown}", [f"squadron promote {version} --model {name} --to staging"]


def _doubt(champion: dict[str, Any]) -> str:
    """Returns the end of a headline that names who may be as good; "" if nobody may be."""
    comparisons = race_facts.read_comparisons(champion)
    unsure = [each["name"] for each in comparisons if not each["significant"]]
    if not unsure:
        return ""
    others = join_words(unsure, "or") if len(unsure) <= MOST_NAMES else f"{len(unsure)} others"
    few = race_facts.has_too_few_paragraphs(comparisons)
    why = "select has too few paragraphs" if few else "the lead is too small"
    return f", but {others} may be as good: {why} to rank"
