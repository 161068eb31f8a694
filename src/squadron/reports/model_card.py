"""The card of a registered model: what it is, how good and how surely, and what it is not for.

Pure: the figures are those of metrics.json, what is certain comes from champion.json. `registry`
stores the card in the model's folder and the short form as the version's description.

Source: Mitchell et al. 2019 for what a card holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from squadron.data.contamination import describe_shared
from squadron.reports import race_table
from squadron.reports.markdown import plain
from squadron.scores.error_kinds import KIND_TEXTS

FILE = "MODEL_CARD.md"
"""In a registered model folder."""


@dataclass(frozen=True)
class ModelCard:
    """Both forms, in Markdown."""

    text: str
    summary: str


def write_card(
    *,
    name: str,
    what: str,
    best: Mapping[str, Any],
    contender: Mapping[str, Any],
    champion: Mapping[str, Any],
    tags: Mapping[str, str],
    files: Sequence[str] = (),
    race_page: str = "",
) -> ModelCard:
    """The card of a race's winner.

    Args:
        name: In the registry.
        what: Its variant does, in one sentence.
        best: Its metrics.json.
        contender: As variant.json has it.
        champion: champion.json, with the comparisons; its model may be missing yet.
        tags: Of the version: status and origin.
        files: Of the data.
        race_page: Of the race's run, for a link in the short form; "" for none.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("squadron.reports"),
        # Markdown, not HTML: what comes from people is escaped by the filter `plain`.
        autoescape=False,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"plain": plain, "code": _code, "sure": _sure}
    leads = race_table.describe_leads(dict(champion))
    warnings = describe_shared(best.get("shared_with_train", {}))
    gate = str(champion.get("gate", "passed"))
    limits = _limits(best, contender, tags, leads, "" if gate == "passed" else gate)
    text = environment.get_template("model_card.md.j2").render(
        name=name,
        what=what,
        best=best,
        contender=contender,
        champion=champion,
        tags=tags,
        files=files,
        leads=leads,
        warnings=warnings,
        limits=limits,
        kinds=KIND_TEXTS,
    )
    select, test = best["splits"]["select"], best["splits"].get("test")
    tested = (
        f"{test['total']:,} questions: EM {_sure(test, 'exact')}, F1 {_sure(test, 'f1')}"
        if test
        else "not judged"
    )
    race = f"[{plain(champion['race'])}]({race_page})" if race_page else plain(champion["race"])
    summary = (
        # Without marks at the beginning: lists of versions show it as it is written.
        "".join(f"Warning: {plain(warning)}\n\n" for warning in warnings)
        + f"{best['label']}, winner of the race {race}. {what}\n\n"
        f"- select, {select['total']:,} questions: EM {_sure(select, 'exact')}, "
        f"F1 {_sure(select, 'f1')}\n"
        f"- test{', ' if test else ': '}{tested}\n"
        f"- validation status: {tags.get('validation_status', 'unknown')}\n"
        + "".join(f"- {plain(lead)}\n" for lead in leads)
        + f"- backbone {plain(tags.get('backbone', 'unknown'))}, its licence: "
        f"{plain(tags.get('licence', 'unknown'))}\n"
        f"- trained on: {plain(tags.get('trained_on', 'unknown'))}\n"
        f"- licence of the data: {plain(tags.get('data_licence', 'unknown'))}\n\n"
        f"The whole card is {FILE} among the version's files, in `artifacts/model`."
    )
    return ModelCard(text, summary)


def _limits(
    best: Mapping[str, Any],
    contender: Mapping[str, Any],
    tags: Mapping[str, str],
    leads: Sequence[str],
    refused: str,
) -> list[str]:
    """What is known to speak against it; the kind of sentences that a reader must not miss."""
    select = best["splits"]["select"]
    found = []
    if tags.get("validation_status") == "demo":
        found.append("A demo, made on data too few to rank models on. Not for use.")
    if tags.get("trained_on", "unknown") == "unknown":
        found.append(
            "What it was trained on is unknown: it may have seen the questions of select and test "
            "before, and its figures may be too high."
        )
    if refused:
        found.append(f"Outside a demo it would have been refused: {refused}.")
    found += [lead for lead in leads if lead.startswith(("Too", "The same"))]
    found += [
        "It answers with a piece of the given text and nothing else: no sums, no yes or no, no "
        "answer that is put together from several places.",
        "Languages and topics are those of its data; nothing was measured on others.",
    ]
    wrong = select.get("NoAns_exact")
    if wrong is None:
        found.append(
            "Every question of its data has an answer: it was never tried on questions that the "
            "text does not answer, and answers those, too."
        )
    else:
        found.append(
            f"Where the text has no answer it gave one in {100 - wrong:.1f} % of such questions on "
            "select."
        )
    answering = best.get("answering") or {}
    if not answering.get("calibration"):
        found.append("Its scores are no probabilities: they were not calibrated.")
    options = contender.get("windows", {})
    if options.get("max_length"):
        found.append(
            f"Texts are read in windows of {options['max_length']} tokens; an answer that no "
            "window holds whole can't be found."
        )
    return found


def _sure(summary: Mapping[str, Any], key: str) -> str:
    low, high = summary.get(f"{key}_low"), summary.get(f"{key}_high")
    between = "" if low is None or high is None else f" (95 %: {low:.1f} to {high:.1f})"
    return f"{summary[key]:.2f}{between}"


def _code(text: object) -> str:
    """Text between backticks."""
    return "`" + " ".join(str(text).split()).replace("`", "'") + "`"
