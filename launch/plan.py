"""An experiment -> the arguments of the pipeline: sections as JSON, digests for the cache keys."""

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launch import registered
from squadron import storage
from squadron.config import Contender, Data, Experiment, digest, to_json
from squadron.data.sources import load_source
from squadron.errors import InputError
from squadron.models import backbones, scratch, variants
from squadron.models.model_names import read_model_name
from squadron.provenance import plan_digests
from squadron.tracking import Race

SQUAD_PAGE = "https://rajpurkar.github.io/SQuAD-explorer/"
"""The authors of SQuAD publish its files there."""
LOOP_STEPS = ("featurize", "train", "predict", "evaluate")
"""The steps that each contender goes through."""


def check_experiment(experiment: Experiment) -> None:
    """Refuses what configuration alone can't know: sources, variants, options, unreadable files.

    Raises:
        InputError: With the path of the bad value or the location.
    """
    load_source(experiment.data.source)
    for contender in experiment.contenders:
        load_source(contender.trained_on.source)
    _require_data(experiment.data)
    for location in (*experiment.data.files, *_declared_files(experiment)):
        storage.content_digest(location)
    for number, contender in enumerate(experiment.contenders, start=1):
        variants.check_contender(contender, f"contenders -> {number}")
        registered.check_model_backbone(contender, f"contenders -> {number}")
        if contender.variant != registered.CHAMPION:
            backbones.check_local(contender.backbone, contender.windows.max_length)
    # The champion's own is found by `registered.resolve_models`.
    needed = {c.backbone for c in experiment.contenders if c.variant != registered.CHAMPION}
    if experiment.evaluate.bertscore:
        needed.add(backbones.OFFLINE)
    for backbone in needed:
        # A remote one would be fetched whole; plan_race tells whether it is there. And
        # `scratch` is made by featurize, a registered model fetched by the steps.
        if read_model_name(backbone) or scratch.read_kind(backbone):
            continue
        if not storage.is_remote(backbone):
            backbones.locate(backbone)


def _require_data(data: Data) -> None:
    """Refuses data files that are not on this machine, and says where data come from.

    Raises:
        InputError: With the first file that is missing and the setting that names it.
    """
    for setting in ("train", "train_only", "test"):
        for location in getattr(data, setting):
            if storage.is_remote(location) or Path(location).exists():
                continue
            squad = f" SQuAD is at {SQUAD_PAGE}." if data.source == "squad" else ""
            raise InputError(
                f"data -> {setting}: the file {location} does not exist. The data are yours to "
                f"give and are no part of this project: --set data.{setting}=FILE, with a path or "
                f"s3://bucket/key.{squad}"
            )


@dataclass(frozen=True)
class Plan:
    """All that a race needs to start."""

    race: Race
    """Goes to the steps beside their arguments, so that it is no part of their cache keys."""
    arguments: dict[str, Any]
    """Of the pipeline."""


def plan_race(experiment: Experiment) -> Plan:
    """The plan of a race. Equal experiments, data, backbones and code give equal plans.

    What a step depends on stands in that step's own arguments and nowhere else, and so does a
    digest of the code that the step can import: a new contender or a changed template leaves the
    other steps as they are.

    Args:
        experiment: Checked, its registered models resolved.

    Raises:
        InputError: If a data file or a backbone can't be read.
    """
    locations = sorted(set(experiment.data.files))
    contents = {location: storage.content_digest(location) for location in locations}
    declared = {file: storage.content_digest(file) for file in _declared_files(experiment)}
    prints = {
        backbone: registered.fingerprint(backbone) or backbones.fingerprint(backbone)
        for backbone in sorted({contender.backbone for contender in experiment.contenders})
    }
    digests = {
        "ingest": plan_digests(
            ["steps.ingest", f"data.sources.{experiment.data.source}"], contents
        ),
        "admit": plan_digests(["steps.admit"], declared, prints),
        "register": plan_digests(["steps.register", *_variant_modules(experiment.contenders)]),
    }
    contenders = [_plan_contender(c, prints[c.backbone], declared) for c in experiment.contenders]
    resolved = dataclasses.asdict(experiment)
    # Neither the report nor the resources are part of it: they change no figure.
    decisive = {name: value for name, value in resolved.items() if name != "resources"}
    key = digest(
        json.dumps(decisive, sort_keys=True),
        *contents.values(),
        *declared.values(),
        *prints.values(),
        *(planned.code for planned in digests.values()),
        *(each[step] for each in contenders for step in LOOP_STEPS),
    )
    labels = [contender.label for contender in experiment.contenders]
    registration = {
        "register": dataclasses.asdict(experiment.register),
        "data": locations,
        "data_licence": experiment.data.licence,
    }
    return Plan(
        Race(experiment.name, key),
        {
            "experiment": json.dumps({"labels": labels, "experiment": resolved}),
            # The licence changes no example.
            "data": to_json(dataclasses.replace(experiment.data, licence="")),
            "entries": json.dumps([_admission(c) for c in experiment.contenders]),
            "contenders": contenders,
            "evaluate": to_json(experiment.evaluate),
            "registration": json.dumps(registration),
            "ingest_digests": str(digests["ingest"]),
            "admit_digests": str(digests["admit"]),
            "register_digests": str(digests["register"]),
            "report_digests": str(plan_digests(["steps.report"])),
            "results": experiment.results,
        },
    )


def _plan_contender(
    contender: Contender, fingerprint: str, declared: dict[str, str]
) -> dict[str, str]:
    """What the steps of one contender get, as texts that kfp can loop over."""
    own = {contender.backbone: fingerprint}
    variant = _variant_modules([contender])
    seen = {file: declared[file] for file in contender.trained_on.files}
    return {
        "label": contender.label,
        "settings": to_json(contender),
        "entry": json.dumps(_entry(contender)),
        "featurize": str(plan_digests(["steps.featurize"], backbones=own)),
        "train": str(plan_digests(["steps.train", *variant], seen, own)),
        "predict": str(plan_digests(["steps.predict", *variant])),
        "evaluate": str(plan_digests(["steps.evaluate"])),
    }


def _entry(contender: Contender) -> dict[str, Any]:
    """What the windows of a contender depend on."""
    return {"backbone": contender.backbone, "windows": dataclasses.asdict(contender.windows)}


def _admission(contender: Contender) -> dict[str, Any]:
    """What decides whether a contender may be judged on the examples."""
    declared = dataclasses.asdict(contender.trained_on)
    return {"label": contender.label, **_entry(contender), "trained_on": declared}


def _declared_files(experiment: Experiment) -> list[str]:
    """The files that backbones were trained on, as the experiment declares."""
    return sorted({file for each in experiment.contenders for file in each.trained_on.files})


def _variant_modules(contenders: Iterable[Contender]) -> list[str]:
    """The modules of some contenders' variants; of all, where a champion may be of any kind."""
    names = {contender.variant for contender in contenders}
    if registered.CHAMPION in names:
        names |= set(variants.list_variants())
    return [f"models.variants.{name}" for name in sorted(names)]
