"""The card of a registered model: what it is, how good it is, how sure that is, and its limits.

This module only makes texts, from the figures of the winner and the result of the race. `registry`
stores the card in the model's folder and the short form as the version's description.

Source: Mitchell et al. 2019 for what a card holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from squadron.config import Contender
from squadron.data.contamination import describe_shared
from squadron.models.licences import forbids_commercial_use
from squadron.reports.markdown import plain
from squadron.reports.race_facts import (
    count_gates,
    describe_doubts,
    describe_formats,
    describe_leads,
    explain_gates,
)
from squadron.scores.contender_result import ContenderResult
from squadron.scores.error_kinds import KIND_TEXTS
from squadron.scores.figures import SplitFigures
from squadron.scores.race_result import RaceResult
from squadron.wording import LEVEL, figure, figure_with_interval, words

FILE = "MODEL_CARD.md"
"""The name of the card in a registered model's folder."""


@dataclass(frozen=True)
class ModelCard:
    """Both forms of a card, in Markdown."""

    text: str
    summary: str


def write_card(
    *,
    name: str,
    what: str,
    best: ContenderResult,
    contender: Contender,
    outcome: RaceResult,
    tags: Mapping[str, str],
    files: Sequence[str] = (),
    race_page: str = "",
) -> ModelCard:
    """Writes the card of a race's winner.

    Args:
        name: Of the model in the registry.
        what: What its variant does, in one sentence.
        best: The winner.
        contender: Its settings.
        outcome: The result of the race. Its model may still be missing.
        tags: Tags of the version: status and origin.
        files: The files of the data.
        race_page: The page of the race's run, for a link in the short form; "" for none.
    """
    leads = describe_leads(outcome)
    warnings = describe_shared(best.shared_with_train)
    text = _render_card(
        name=name,
        what=what,
        best=best,
        contender=contender,
        outcome=outcome,
        tags=tags,
        files=files,
        leads=leads,
        warnings=warnings,
        limits=_list_limits(best, contender, outcome, tags),
        kinds=KIND_TEXTS,
        level=LEVEL,
    )
    race = plain(outcome.race)
    if race_page:
        race = f"[{race}]({race_page})"
    said = [*leads, *count_gates(outcome), *explain_gates(outcome), *describe_formats(outcome)]
    return ModelCard(text, _summarise(what, best, tags, said, warnings, race))


def _render_card(**content: Any) -> str:
    """Renders the template of the long form."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("squadron.reports"),
        # This is Markdown, not HTML: the filter `plain` escapes what comes from people.
        autoescape=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "plain": plain,
        "code": _code,
        "sure": lambda figures, name: figure_with_interval(figures.estimate(name)),
        "figure": figure,
        "words": words,
    }
    return environment.get_template("model_card.md.j2").render(content)


def _summarise(
    what: str,
    best: ContenderResult,
    tags: Mapping[str, str],
    said: Sequence[str],
    warnings: Sequence[str],
    race: str,
) -> str:
    """Returns the short form.

    Args:
        what: As for `write_card`.
        best: As for `write_card`.
        tags: As for `write_card`.
        said: Sentences about the winner's lead and its gates.
        warnings: Sentences about what the splits share with train.
        race: The race in Markdown.
    """
    known = {
        key: plain(tags.get(key, "unknown"))
        for key in ("validation_status", "backbone", "licence", "trained_on", "data_licence")
    }
    items = [
        f"select{_describe_split(best.select)}",
        f"test{_describe_split(best.splits.get('test'))}",
        f"validation status: {known['validation_status']}",
        *map(plain, said),
        f"backbone {known['backbone']}, its licence: {known['licence']}",
        f"trained on: {known['trained_on']}",
        *([plain(best.synthetic)] if best.synthetic else []),
        f"licence of the data: {known['data_licence']}",
    ]
    return (
        # The beginning has no markup, because lists of versions show it as it is written.
        "".join(f"Warning: {plain(warning)}\n\n" for warning in warnings)
        + f"{best.label}, winner of the race {race}. {what}\n\n"
        + "".join(f"- {item}\n" for item in items)
        + f"\nThe whole card is {FILE} among the version's files, in `artifacts/model`."
    )


def _describe_split(figures: SplitFigures | None) -> str:
    """Returns what follows the name of a split: its size and its figures."""
    if figures is None:
        return ": not judged"
    exact, f1 = (
        figure_with_interval(figures.estimate(name), names_level=True)
        for name in ("exact_match", "f1")
    )
    return f", {figures.total:,} questions: EM {exact}, F1 {f1}"


def _list_limits(
    best: ContenderResult,
    contender: Contender,
    outcome: RaceResult,
    tags: Mapping[str, str],
) -> list[str]:
    """Lists what is known to speak against the model, one limit per text."""
    found = []
    if tags.get("validation_status") == "demo":
        found.append(
            "This is a demo. Its data are too few to rank models on, so it is not for use."
        )
    if tags.get("trained_on", "unknown") == "unknown":
        found.append(
            "What it was trained on is unknown: it may have seen the questions of select and test "
            "before, and its figures may be too high."
        )
    found += [
        f"The licence of its {what} ({tags[key]}) forbids commercial use."
        for what, key in (("backbone", "licence"), ("data", "data_licence"))
        if forbids_commercial_use(tags.get(key, ""))
    ]
    if outcome.gate not in ("", "passed"):
        found.append(f"Outside a demo it would have been refused: {outcome.gate}.")
    found += describe_doubts(outcome)
    found += [
        "It answers with one piece of the given text. It does not calculate, it does not answer "
        "yes or no, and it does not put an answer together from several places.",
        "It was measured on the languages and topics of its data and on no others.",
        _describe_abstaining(best.select),
    ]
    if not best.answering.calibration:
        found.append("Its scores are not calibrated, so they are not probabilities.")
    found.append(
        f"It reads texts in windows of {contender.windows.max_length} tokens. It cannot find an "
        "answer that no window holds whole."
    )
    return found


def _describe_abstaining(select: SplitFigures) -> str:
    """Returns what the model does where the text has no answer.

    Args:
        select: Figures on select.
    """
    right = select.no_ans_exact_match
    if right is None:  # every question has an answer
        return (
            "Every question of its data has an answer. It was never tried on questions that the "
            "text does not answer, and it answers those, too."
        )
    return (
        f"It wrongly gave an answer to {100 - right:.1f} % of the questions of select that the "
        "text does not answer."
    )


def _code(text: object) -> str:
    """Returns a text as Markdown code on one line."""
    return "`" + " ".join(str(text).split()).replace("`", "'") + "`"
