"""The step register: evaluations -> the winner, registered."""

import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from squadron import progress, provenance, storage
from squadron.artifacts import read_json, read_table, write_json
from squadron.config import Register, digest
from squadron.models.model_names import read_model_name
from squadron.scores import standings
from squadron.steps._record import name_race, record_missing
from squadron.steps._step import step


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
    from squadron.answers.answering import Answering
    from squadron.config import from_mapping
    from squadron.models import variants
    from squadron.registry.registration import gate, register_model
    from squadron.registry.versions import CANDIDATE, keep_version, list_aliases
    from squadron.reports.model_card import write_card
    from squadron.scores.evaluation import compare_with_winner
    from squadron.tracking import reuse

    fields = json.loads(settings)
    options = from_mapping(Register, fields["register"])
    started = time.monotonic()
    race = tracking.current_race()
    tracking.send_waiting(race)
    record_missing(race, evaluations)
    parent = tracking.find_parent(race)
    rows = [read_json(folder / "metrics.json", schema="metrics/1") for folder in evaluations]
    order = standings.rank_contenders(rows)
    content: dict[str, Any] = {
        "race": name_race(race),
        "contenders": [
            standings.table_row(rows[n], _registered_as(rows[n], models[n], options.model_name))
            for n in order
        ],
        "model": None,
    }
    figures: dict[str, float] = {}
    racing = [n for n in order if not rows[n]["disqualified"]]
    if not racing:
        content["refused"] = "every contender was disqualified"
    else:
        best = rows[racing[0]]
        select = best["splits"]["select"]
        refused = gate(select, select["all_null_exact"])
        content |= {"winner": best["label"], "why": standings.explain(rows, racing)}
        content["tie"] = standings.explain_tie(rows, racing)
        scores = {
            rows[n]["label"]: read_table(
                evaluations[n] / "select" / "scores.parquet", schema="scores/2"
            )
            for n in racing
        }
        content["comparisons"] = compare_with_winner(scores.pop(best["label"]), scores)
        chosen_before = reuse.count_choices(race, best["digests"]["select"])
        content["select_split"] = standings.select_split(best, chosen_before)
        if refused and not options.demo:
            content["refused"] = f"{best['label']} is not registered: {refused}"
        else:
            content["gate"] = refused or "passed"
            child = tracking.find_child(race, best["label"])
            about = read_json(models[racing[0]] / "variant.json", schema="model/1")
            status = "demo" if options.demo else "passed"
            backbone = about["contender"]["backbone"]
            origin = read_model_name(backbone)
            is_kept = best["variant"] == "champion" and origin and origin.name == options.model_name
            if origin and is_kept:
                registered = keep_version(origin.name, origin.version_or_alias)
            else:
                tags = standings.version_tags(
                    best,
                    status,
                    backbone=backbone,
                    licence=_licence(backbone),
                    data_licence=fields.get("data_licence") or "unknown",
                    git_sha=provenance.commit(),
                    code_digest=provenance.package_digest(),
                    run=tracking.run_url(child),
                )
                registered = register_model(
                    options.model_name,
                    child,
                    models[racing[0]],
                    Answering.read(best["answering"]),
                    tags,
                    write_card(
                        name=options.model_name,
                        what=str(variants.load_variant(best["variant"]).__doc__).splitlines()[0],
                        best=best,
                        contender=about["contender"],
                        champion=content,
                        tags=tags,
                        files=fields.get("data", ()),
                        race_page=tracking.run_page(parent),
                    ),
                )
            content["model"] = {
                "name": registered.name,
                "version": registered.version,
                "alias": CANDIDATE,
                "validation_status": status,
                "kept": bool(is_kept),
                "previous": registered.previous,
                "aliases": list_aliases(registered.name),
            }
            figures[reuse.CHOSEN] = select["exact"]
            figures["version"] = float(registered.version)
    write_json(
        champion, content, schema="champion/1", made_from=digest(*(r["made_from"] for r in rows))
    )
    if results:
        place = _publish(results, content["race"], rows, models, evaluations, champion)
        progress.say(f"register   results are in {place}")
    tracking.log_json(parent, content, tracking.RESULT_FILE)
    tracking.note_result(parent)
    tracking.log_metrics(parent, {**figures, "seconds_register": time.monotonic() - started})
    return figures


def _registered_as(row: dict[str, Any], model: Path, model_name: str) -> str:
    """The version that a champion is, such as "version 3"; "" for any other contender."""
    if row["variant"] != "champion":
        return ""
    about = read_json(model / "variant.json", schema="model/1")
    origin = read_model_name(about["contender"]["backbone"])
    if origin is None:
        return ""
    version = f"version {origin.version_or_alias}"
    return version if origin.name == model_name else f"{origin.name} {version}"


def _licence(backbone: str) -> str:
    """Of a backbone's weights; a registered one says its own."""
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
    """Each contender's model and evaluation, then the race's summary; each with its marker."""
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
