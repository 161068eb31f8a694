"""The step register: evaluations -> the winner, registered."""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from squadron import progress, provenance, storage
from squadron.artifacts import read_record, read_table, to_content, write_record
from squadron.config import Contender, Register, Serving, digest, from_mapping
from squadron.models.model_names import read_model_name
from squadron.scores import standings
from squadron.scores.contender_result import ContenderResult
from squadron.scores.gate_verdict import as_tags
from squadron.scores.race_result import RaceResult, WinnerVersion
from squadron.steps._contenders import CHAMPION, Contenders
from squadron.steps._judged_winner import find_licence, read_winner
from squadron.steps._race_promotion import promote_winner
from squadron.steps._record import name_race, record_missing
from squadron.steps._serving_format import settle_format
from squadron.steps._step import step

if TYPE_CHECKING:
    from squadron.registry.versions import Registered
    from squadron.tracking import Race


@step
def register(
    *,
    settings: str,
    models: Sequence[Path],
    evaluations: Sequence[Path],
    race_result: Path,
    examples: Path | None = None,
    opened: str = "",
    results: str = "",
    digests: str = "",
) -> dict[str, float]:
    """Chooses the best EM on select, registers it as `candidate` and writes race_result.json.

    Args:
        settings: JSON of {"register": config.Register, "serving": config.Serving, "data": files,
            "data_licence": text}.
        examples: As ingest wrote them; only a serving format other than torch needs them.
        opened: What open_race returned. Only kfp's cache needs it.
        digests: JSON of provenance.Digests; the decorator compares the code.
        models: Model folders of all contenders.
        evaluations: Their evaluation folders, in the same order.
        results: Where every contender's model and evaluation are published; "" for nowhere.
        race_result: The file to write.

    Returns:
        Finite figures for the pipeline's own pages.
    """
    from squadron import tracking

    fields = json.loads(settings)
    started = time.monotonic()
    race = tracking.current_race()
    tracking.send_waiting(race)
    record_missing(race, evaluations)
    parent = tracking.find_parent(race)
    found = [read_record(ContenderResult, folder / "metrics.json") for folder in evaluations]
    order = standings.rank_contenders(found)
    contenders = Contenders(found, models, evaluations, order)
    outcome = _run_race(race, contenders, fields, examples)
    write_record(race_result, outcome)
    if results:
        place = _publish(results, outcome.race, contenders, race_result)
        progress.say(f"register   results are in {place}")
    figures = _figures(contenders, outcome)
    tracking.log_json(parent, to_content(outcome), tracking.RESULT_FILE)
    tracking.note_result(parent)
    tracking.log_metrics(parent, {**figures, "seconds_register": time.monotonic() - started})
    return figures


def _run_race(
    race: "Race | None", contenders: Contenders, fields: Mapping[str, Any], examples: Path | None
) -> RaceResult:
    """Ranks the contenders and registers the winner if it passes the gates, or in a demo.

    Args:
        race: The race.
        contenders: Who races.
        fields: The settings of the step.
        examples: As ingest wrote them; None if they were not given.
    """
    from squadron.registry.gates import explain_failures, judge_winner

    options = from_mapping(Register, fields["register"])
    results = contenders.results
    outcome = RaceResult(
        made_from=digest(*(each.made_from for each in results)),
        race=name_race(race),
        contenders=tuple(
            standings.describe_standing(
                results[n], _registered_as(contenders, n, options.model_name)
            )
            for n in contenders.order
        ),
    )
    if not contenders.racing:
        return replace(outcome, refused="every contender was disqualified")
    outcome = _describe_winner(race, contenders, outcome)
    judged = read_winner(contenders, outcome.comparisons, options, _data_licence(fields))
    outcome = replace(outcome, gates=judge_winner(judged, options.gates))
    failures = explain_failures(outcome.gates)
    if failures and not options.demo:
        return replace(outcome, refused=f"{outcome.winner} is not registered: {failures}")
    outcome = replace(outcome, gate=failures or "passed")
    serving = from_mapping(Serving, fields.get("serving", {}))
    with settle_format(contenders, options, serving, examples) as settled:
        outcome = replace(outcome, formats=settled.formats, format_gate=settled.gate)
        model = settled.model
        version = _register_winner(race, contenders, options, outcome, fields, model)
    return replace(outcome, model=version)


def _describe_winner(
    race: "Race | None", contenders: Contenders, outcome: RaceResult
) -> RaceResult:
    """Adds who won, by what, how sure the leads are, and by which questions."""
    from squadron.scores.leads import compare_with_winner
    from squadron.tracking import reuse

    best = contenders.best
    scores = {
        contenders.results[n].label: read_table(
            contenders.evaluations[n] / "select" / "scores.parquet", schema="scores/3"
        )
        for n in contenders.racing
    }
    leads = compare_with_winner(scores.pop(best.label), scores)
    chosen_before = reuse.count_choices(race, best.digests["select"])
    return replace(
        outcome,
        winner=best.label,
        why=standings.explain(best),
        tie=standings.explain_tie([contenders.results[n] for n in contenders.racing]),
        comparisons=tuple(leads),
        select_split=standings.describe_select(best, chosen_before),
    )


def _register_winner(
    race: "Race | None",
    contenders: Contenders,
    options: Register,
    outcome: RaceResult,
    fields: Mapping[str, Any],
    model: Path,
) -> WinnerVersion:
    """Registers the winner's folder `model`, or keeps the version that a champion is.

    The version is promoted if the experiment asks for it.

    A champion that answered from another shared context than its version keeps is registered as a
    new version, because a version never changes.
    """
    from squadron.models.model_folder import CONTEXT, read_about
    from squadron.registry.versions import CANDIDATE, find_version, keep_version, list_aliases
    from squadron.registry.versions import read_about as read_registered

    about = read_about(contenders.best_model)
    contender = about.contender
    origin = read_model_name(contender.backbone)
    is_kept = False
    if origin and contenders.best.variant == CHAMPION and origin.name == options.model_name:
        version = find_version(origin.name, origin.version_or_alias)
        is_kept = read_registered(version).files.get(CONTEXT) == about.files.get(CONTEXT)
    if origin and is_kept:
        registered = keep_version(origin.name, origin.version_or_alias)
    else:
        registered = _register_model(race, contenders, options, outcome, fields, contender, model)
    promotion = promote_winner(
        contenders, options, race.title if race else "", registered, is_new=not is_kept
    )
    return WinnerVersion(
        name=registered.name,
        version=registered.version,
        alias=CANDIDATE,
        validation_status=_status(options),
        kept=is_kept,
        previous=registered.previous,
        aliases=list_aliases(registered.name),
        promotion=promotion,
    )


def _status(options: Register) -> str:
    """Returns the validation status of a version that is registered."""
    return "demo" if options.demo else "passed"


def _register_model(
    race: "Race | None",
    contenders: Contenders,
    options: Register,
    outcome: RaceResult,
    fields: Mapping[str, Any],
    contender: Contender,
    model: Path,
) -> "Registered":
    """Registers the winner's folder `model` as a new version, with its tags and its card."""
    from squadron import tracking
    from squadron.models import variants
    from squadron.registry.registration import register_model
    from squadron.reports.model_card import write_card

    best = contenders.best
    child = tracking.find_child(race, best.label)
    tags = standings.version_tags(
        best,
        _status(options),
        backbone=contender.backbone,
        licence=find_licence(contender.backbone, options),
        data_licence=_data_licence(fields),
        git_sha=provenance.commit(),
        code_digest=provenance.package_digest(),
        run=tracking.run_url(child),
        serving_format=outcome.serving_format,
    ) | as_tags(outcome.gates)
    card = write_card(
        name=options.model_name,
        what=str(variants.load_variant(best.variant).__doc__).splitlines()[0],
        best=best,
        contender=contender,
        outcome=outcome,
        tags=tags,
        files=fields.get("data", ()),
        race_page=tracking.run_page(tracking.find_parent(race)),
    )
    return register_model(options.model_name, child, model, best.answering, tags, card)


def _data_licence(fields: Mapping[str, Any]) -> str:
    """Returns the licence of the data as the experiment states it."""
    return fields.get("data_licence") or "unknown"


def _figures(contenders: Contenders, outcome: RaceResult) -> dict[str, float]:
    """Returns the winner's EM and its version; nothing if none was registered."""
    from squadron.tracking import reuse

    if outcome.model is None:
        return {}
    exact_match = contenders.best.select.exact_match
    return {reuse.CHOSEN: exact_match, "version": float(outcome.model.version)}


def _registered_as(contenders: Contenders, number: int, model_name: str) -> str:
    """Returns the version that a champion is, such as "version 3"; "" for other contenders."""
    origin = contenders.find_origin(number)
    if origin is None:
        return ""
    version = f"version {origin.version_or_alias}"
    return version if origin.name == model_name else f"{origin.name} {version}"


def _publish(results: str, race: str, contenders: Contenders, race_result: Path) -> str:
    """Publishes each contender's model and evaluation, then the race's summary.

    Each gets its own marker. Returns the place.
    """
    import tempfile

    place = storage.join(results, race)
    for found, model, evaluation in zip(
        contenders.results, contenders.models, contenders.evaluations, strict=True
    ):
        storage.publish_beside(model, storage.join(place, found.label, "model"))
        storage.publish_beside(evaluation, storage.join(place, found.label, "evaluation"))
    with tempfile.TemporaryDirectory() as temporary:
        summary = Path(temporary) / "summary"
        summary.mkdir()
        shutil.copy(race_result, summary / "race_result.json")
        storage.publish_beside(summary, storage.join(place, "summary"))
    return place
