"""The step register: evaluations -> the winner, registered."""

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from squadron import progress, provenance, storage
from squadron.artifacts import read_json, read_table, write_json
from squadron.config import Register, digest, from_mapping
from squadron.models.model_names import read_model_name
from squadron.scores import standings
from squadron.steps._record import name_race, record_missing
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
    champion: Path,
    opened: str = "",
    results: str = "",
    digests: str = "",
) -> dict[str, float]:
    """Chooses the best EM on select, registers it as `candidate` and writes champion.json.

    Args:
        settings: JSON of {"register": config.Register, "data": files, "data_licence": text}.
        opened: What open_race returned. Only kfp's cache needs it.
        digests: JSON of provenance.Digests; the decorator compares the code.
        models: Model folders of all contenders.
        evaluations: Their evaluation folders, in the same order.
        results: Where every contender's model and evaluation are published; "" for nowhere.
        champion: The file to write.

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
    rows = [read_json(folder / "metrics.json", schema="metrics/1") for folder in evaluations]
    contenders = _Contenders(rows, models, evaluations, standings.rank_contenders(rows))
    content = _run_race(race, contenders, fields)
    figures = _figures(contenders, content)
    made_from = digest(*(row["made_from"] for row in rows))
    write_json(champion, content, schema="champion/1", made_from=made_from)
    if results:
        place = _publish(results, content["race"], rows, models, evaluations, champion)
        progress.say(f"register   results are in {place}")
    tracking.log_json(parent, content, tracking.RESULT_FILE)
    tracking.note_result(parent)
    tracking.log_metrics(parent, {**figures, "seconds_register": time.monotonic() - started})
    return figures


@dataclass(frozen=True)
class _Contenders:
    """What the other steps left of each contender, in one order."""

    rows: Sequence[dict[str, Any]]
    """metrics.json."""
    models: Sequence[Path]
    evaluations: Sequence[Path]
    order: Sequence[int]
    """Their positions, the best first and the disqualified last."""

    @property
    def racing(self) -> list[int]:
        """Positions of those that were not disqualified, the best first."""
        return [n for n in self.order if not self.rows[n]["disqualified"]]

    @property
    def best(self) -> dict[str, Any]:
        """metrics.json of the winner; there must be one."""
        return self.rows[self.racing[0]]


def _run_race(
    race: "Race | None", contenders: _Contenders, fields: Mapping[str, Any]
) -> dict[str, Any]:
    """Ranks the contenders and registers the winner if it may be; returns champion.json.

    Args:
        race: The race.
        contenders: Who races.
        fields: The settings of the step.
    """
    from squadron.registry.registration import gate

    options = from_mapping(Register, fields["register"])
    rows, models = contenders.rows, contenders.models
    content: dict[str, Any] = {
        "race": name_race(race),
        "contenders": [
            standings.table_row(rows[n], _registered_as(rows[n], models[n], options.model_name))
            for n in contenders.order
        ],
        "model": None,
    }
    if not contenders.racing:
        return content | {"refused": "every contender was disqualified"}
    content |= _describe_winner(race, contenders)
    best = contenders.best
    select = best["splits"]["select"]
    refused = gate(select, select["all_null_exact"])
    if refused and not options.demo:
        return content | {"refused": f"{best['label']} is not registered: {refused}"}
    content["gate"] = refused or "passed"
    content["model"] = _register_winner(race, contenders, options, content, fields)
    return content


def _describe_winner(race: "Race | None", contenders: _Contenders) -> dict[str, Any]:
    """Returns who won, by what, how sure the leads are, and by which questions."""
    from squadron.scores.leads import compare_with_winner
    from squadron.tracking import reuse

    rows, racing, best = contenders.rows, contenders.racing, contenders.best
    scores = {
        rows[n]["label"]: read_table(
            contenders.evaluations[n] / "select" / "scores.parquet", schema="scores/2"
        )
        for n in racing
    }
    leads = compare_with_winner(scores.pop(best["label"]), scores)
    chosen_before = reuse.count_choices(race, best["digests"]["select"])
    return {
        "winner": best["label"],
        "why": standings.explain(rows, racing),
        "tie": standings.explain_tie(rows, racing),
        "comparisons": [lead.as_dict() for lead in leads],
        "select_split": standings.select_split(best, chosen_before),
    }


def _register_winner(
    race: "Race | None",
    contenders: _Contenders,
    options: Register,
    content: dict[str, Any],
    fields: Mapping[str, Any],
) -> dict[str, Any]:
    """Registers the winner, or keeps the version that a champion is.

    Returns:
        What champion.json says of the version.
    """
    from squadron.registry.versions import CANDIDATE, keep_version, list_aliases

    best = contenders.best
    about = read_json(contenders.models[contenders.racing[0]] / "variant.json", schema="model/1")
    status = "demo" if options.demo else "passed"
    origin = read_model_name(about["contender"]["backbone"])
    is_kept = best["variant"] == "champion" and origin and origin.name == options.model_name
    if origin and is_kept:
        registered = keep_version(origin.name, origin.version_or_alias)
    else:
        registered = _register_model(race, contenders, options, content, fields, about["contender"])
    return {
        "name": registered.name,
        "version": registered.version,
        "alias": CANDIDATE,
        "validation_status": status,
        "kept": bool(is_kept),
        "previous": registered.previous,
        "aliases": list_aliases(registered.name),
    }


def _register_model(
    race: "Race | None",
    contenders: _Contenders,
    options: Register,
    content: dict[str, Any],
    fields: Mapping[str, Any],
    contender: Mapping[str, Any],
) -> "Registered":
    """Registers the winner's model as a new version, with its tags and its card."""
    from squadron import tracking
    from squadron.answers.answering import Answering
    from squadron.models import variants
    from squadron.registry.registration import register_model
    from squadron.reports.model_card import write_card

    best = contenders.best
    child = tracking.find_child(race, best["label"])
    tags = standings.version_tags(
        best,
        "demo" if options.demo else "passed",
        backbone=contender["backbone"],
        licence=_licence(contender["backbone"]),
        data_licence=fields.get("data_licence") or "unknown",
        git_sha=provenance.commit(),
        code_digest=provenance.package_digest(),
        run=tracking.run_url(child),
    )
    card = write_card(
        name=options.model_name,
        what=str(variants.load_variant(best["variant"]).__doc__).splitlines()[0],
        best=best,
        contender=contender,
        champion=content,
        tags=tags,
        files=fields.get("data", ()),
        race_page=tracking.run_page(tracking.find_parent(race)),
    )
    model = contenders.models[contenders.racing[0]]
    answering = Answering.read(best["answering"])
    return register_model(options.model_name, child, model, answering, tags, card)


def _figures(contenders: _Contenders, content: Mapping[str, Any]) -> dict[str, float]:
    """Returns the winner's EM and its version; nothing if none was registered."""
    from squadron.tracking import reuse

    model = content["model"]
    if model is None:
        return {}
    select = contenders.best["splits"]["select"]
    return {reuse.CHOSEN: select["exact"], "version": float(model["version"])}


def _registered_as(row: dict[str, Any], model: Path, model_name: str) -> str:
    """Returns the version that a champion is, such as "version 3"; "" for other contenders."""
    if row["variant"] != "champion":
        return ""
    about = read_json(model / "variant.json", schema="model/1")
    origin = read_model_name(about["contender"]["backbone"])
    if origin is None:
        return ""
    version = f"version {origin.version_or_alias}"
    return version if origin.name == model_name else f"{origin.name} {version}"


def _licence(backbone: str) -> str:
    """Returns the licence of a backbone's weights; a registered one says its own."""
    from squadron.models import backbones
    from squadron.registry.versions import find_version

    origin = read_model_name(backbone)
    if origin is None:
        return backbones.licence(backbone)
    version = find_version(origin.name, origin.version_or_alias)
    return version.tags.get("licence") or backbones.licence(backbone)


def _publish(
    results: str,
    race: str,
    rows: Sequence[dict[str, Any]],
    models: Sequence[Path],
    evaluations: Sequence[Path],
    champion: Path,
) -> str:
    """Publishes each contender's model and evaluation, then the race's summary.

    Each gets its own marker. Returns the place.
    """
    import tempfile

    place = storage.join(results, race)
    for row, model, evaluation in zip(rows, models, evaluations, strict=True):
        storage.publish_beside(model, storage.join(place, row["label"], "model"))
        storage.publish_beside(evaluation, storage.join(place, row["label"], "evaluation"))
    with tempfile.TemporaryDirectory() as temporary:
        summary = Path(temporary) / "summary"
        summary.mkdir()
        shutil.copy(champion, summary / "champion.json")
        storage.publish_beside(summary, storage.join(place, "summary"))
    return place
