"""The verdict of a report: which model to promote, why, and how sure that is.

It words what the race's result says and judges nothing again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from squadron.reports import race_facts
from squadron.reports.rows import Row
from squadron.scores.figures import SplitFigures
from squadron.scores.race_result import RaceResult, WinnerVersion
from squadron.wording import LEVEL, figure, interval, join_words

MOST_NAMES = 2
"""Contenders that a headline names. It counts more of them."""
STATUS_TEXTS = {
    "demo": "demo: these data are too few to rank models on",
    "passed": "passed: the model passed its gates",
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


def judge_race(result: RaceResult, rows: Sequence[Row]) -> Verdict:
    """Words the result of a race as one headline, the reasons for it, commands, and warnings.

    Args:
        result: Of the race.
        rows: All contenders.
    """
    warnings = race_facts.describe_contamination(result)
    return replace(_judge(result, rows), warnings=warnings)


def _judge(result: RaceResult, rows: Sequence[Row]) -> Verdict:
    """Returns the verdict without warnings."""
    winner = next((row for row in rows if row.label == result.winner), None)
    if winner is None or winner.select is None:
        why = result.refused or "nothing was judged"
        return Verdict("none", f"There is no model to promote: {why}.", [])
    reasons = [
        _describe_win(winner, winner.select, result.why),
        *race_facts.describe_leads(result),
        *_describe_test(winner, rows),
    ]
    model = result.model
    if model is None:
        headline = "Promote nothing: the winner failed a gate."
        return Verdict(
            "none", headline, [*reasons, *race_facts.count_gates(result), result.refused]
        )
    status = model.validation_status
    reasons.append(f"The validation status is {STATUS_TEXTS.get(status, status)}.")
    reasons += race_facts.count_gates(result)
    reasons += race_facts.describe_promotion(model)
    if result.gate != "passed":
        reasons.append(f"Outside a demo it would be refused: {result.gate}.")
    if status == "demo":
        return Verdict("none", f"{winner.name} is first, but don't promote a demo.", reasons)
    if model.kept:
        kept = f"{model.name} version {model.version}"
        return Verdict("certain", f"Keep the champion, {kept}.", reasons)
    advice, commands = _advise(winner, model)
    doubt = _doubt(result)
    tone = "unsure" if doubt else "certain"
    return Verdict(tone, f"{advice}{doubt}.", reasons, commands)


def _describe_win(winner: Row, select: SplitFigures, why: str) -> str:
    """Returns what the winner won with, and the interval of its EM.

    Args:
        winner: The row of the winner.
        select: Its figures on select.
        why: As in the race's result, such as "highest EM on select, 61.23".
    """
    em, between = f"{select.exact_match:.2f}", interval(select.estimate("exact_match"))
    if between:
        why = why.replace(em, f"{em} ({LEVEL} interval {between})", 1)
    return f"{winner.name} has the {why}, on {select.total:,} questions that it was not trained on."


def _describe_test(winner: Row, rows: Sequence[Row]) -> list[str]:
    """Returns one sentence if another contender is ahead on test."""
    exact = {row.name: row.test.exact_match for row in rows if row.test}
    if not winner.test or not exact:
        return []
    best = max(exact, key=lambda name: exact[name])
    if exact[best] <= exact[winner.name]:
        return []
    return [
        f"On test, which decides nothing, {best} is ahead: its EM is {figure(exact[best])}, and "
        f"{winner.name} has {figure(exact[winner.name])}."
    ]


def _advise(winner: Row, model: WinnerVersion) -> tuple[str, list[str]]:
    """Returns the advice of the headline and the commands that follow it."""
    name, version = model.name, model.version
    shown = f"{winner.name} ({name} version {version})"
    if model.is_staging:
        by_race = model.promotion is not None and model.promotion.moved
        return f"{shown} is staging {'now' if by_race else 'already'}", []
    return f"Promote {shown}", [f"squadron promote {version} --model {name} --to staging"]


def _doubt(result: RaceResult) -> str:
    """Returns the end of a headline that names who may be as good; "" if nobody may be."""
    leads = result.comparisons
    unsure = [result.names[lead.label] for lead in leads if not lead.significant]
    if not unsure:
        return ""
    others = join_words(unsure, "or") if len(unsure) <= MOST_NAMES else f"{len(unsure)} others"
    few = race_facts.has_too_few_paragraphs(leads)
    why = "select has too few paragraphs" if few else "the lead is too small"
    return f", but {others} may be as good: {why} to rank"
