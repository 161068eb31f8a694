"""Turns an experiment into the arguments of the pipeline: sections as JSON, and digests.

The digests become part of the cache keys of the steps.
"""

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launch import registered
from squadron import storage
from squadron.config import TORCH, Contender, Data, Experiment, digest, to_json
from squadron.data import locations
from squadron.data.sources import check_source, list_modules
from squadron.errors import InputError
from squadron.models import backbones, minilm, scratch, variants
from squadron.models.model_names import read_model_name
from squadron.provenance import Digests, plan_digests
from squadron.requirements import ONNX, require_packages
from squadron.steps import STEPS
from squadron.tracking import Race

SQUAD_PAGE = "https://rajpurkar.github.io/SQuAD-explorer/"
"""The page on which the authors of SQuAD publish its files."""
LOOP_STEPS = tuple(each.name for each in STEPS if each.is_per_contender)
"""The steps that run once for each contender, in their order."""


def check_experiment(experiment: Experiment) -> None:
    """Refuses what the configuration classes can't check: sources, variants, options and files.

    Raises:
        InputError: With the path of the wrong value, or with the location that can't be read.
    """
    check_source(experiment.data.source)
    _check_serving(experiment)
    for contender in experiment.contenders:
        check_source(contender.trained_on.source)
    _require_data(experiment.data)
    for location in experiment.documents.files:
        if not storage.is_remote(location) and not Path(location).exists():
            raise InputError(
                f"documents -> files: {location} does not exist; give a document, a folder of "
                "them, or s3://bucket/key"
            )
        storage.content_digest(location)
    for location in (*experiment.data.files, *_declared_files(experiment)):
        locations.content_digest(location)
    for number, contender in enumerate(experiment.contenders, start=1):
        variants.check_contender(contender, f"contenders -> {number}")
        registered.check_model_backbone(contender, f"contenders -> {number}")
        if contender.variant != registered.CHAMPION:
            backbones.check_local(
                contender.backbone, contender.windows.max_length, _count_frozen(contender)
            )
    # `registered.resolve_models` finds the backbone of the champion.
    needed = {c.backbone for c in experiment.contenders if c.variant != registered.CHAMPION}
    if experiment.evaluate.bertscore or experiment.documents.are_given:
        needed.add(minilm.NAME)
    for backbone in needed:
        # The steps fetch a registered model, and featurize makes `scratch`.
        if read_model_name(backbone) or scratch.read_kind(backbone):
            continue
        # Locating a remote backbone would fetch all of it; plan_race finds out if it is missing.
        if not storage.is_remote(backbone):
            backbones.locate(backbone)


def _check_serving(experiment: Experiment) -> None:
    """Refuses a serving format that a contender can't have, or whose packages are missing.

    Raises:
        InputError: With the format and the contender, or with the package.
    """
    wanted = experiment.serving.format
    if wanted == TORCH:
        return
    require_packages(ONNX, f"serving -> format: {wanted} needs", "onnx")
    able = [name for name in variants.list_variants() if variants.serves_as_onnx(name)]
    for contender in experiment.contenders:
        if contender.variant not in (*able, registered.CHAMPION):
            raise InputError(
                f"serving -> format: {wanted!r} is not allowed with the contender "
                f"{contender.label!r}, as models of the variant {contender.variant!r} have no span "
                f"head alone; choose torch, or only variants of: {', '.join(able)}"
            )


def _count_frozen(contender: Contender) -> int:
    """Returns how many layers of a contender's backbone are not trained, if the others are.

    Raises:
        InputError: If these layers would have random weights.
    """
    if not variants.is_trained(contender.variant):
        return 0
    count = contender.train.frozen_layers
    if count and scratch.read_kind(contender.backbone):
        raise InputError(
            f"contender {contender.label!r}: train -> frozen_layers: {count} is not allowed for "
            f"the backbone {contender.backbone!r}, whose weights are random; choose 0"
        )
    return count


def _require_data(data: Data) -> None:
    """Refuses local data files that do not exist, and says how to give one.

    Raises:
        InputError: With the first missing file and the setting that names it.
    """
    for setting in ("train", "train_only", "test"):
        for location in getattr(data, setting):
            if locations.is_remote(location) or Path(location).exists():
                continue
            squad = f" SQuAD is at {SQUAD_PAGE}." if data.source == "squad" else ""
            raise InputError(
                f"data -> {setting}: the file {location} does not exist. The data are yours to "
                f"give and are no part of this project: --set data.{setting}=FILE, with a path or "
                f"s3://bucket/key.{squad}"
            )
    for location in data.synthesize.files:
        if not locations.is_remote(location) and not Path(location).exists():
            raise InputError(
                f"data -> synthesize -> files: {location} does not exist; give a document, a "
                "folder of documents or s3://bucket/key, or take the section out"
            )


@dataclass(frozen=True)
class Plan:
    """All that a race needs to start."""

    race: Race
    """The steps get it beside their arguments, so that it is no part of their cache keys."""
    arguments: dict[str, Any]
    """The arguments of the pipeline."""
    contenders: tuple[Contender, ...]
    """In the order in which they run."""


@dataclass(frozen=True)
class _Contents:
    """Digests of what the race reads: a change of a file or of a backbone changes its digest."""

    data: dict[str, str]
    """Location of a data file -> digest."""
    declared: dict[str, str]
    """Location of a file that a backbone was trained on, as the experiment declares -> digest."""
    backbones: dict[str, str]
    """Name of a backbone -> fingerprint."""
    documents: dict[str, str]
    """Location of a document or a folder of them -> digest."""


def plan_race(experiment: Experiment) -> Plan:
    """Returns the plan of a race. Equal experiments, data, backbones and code give equal plans.

    The arguments of a step hold what the step depends on and nothing else, with a digest of the
    code that the step can import. A new contender or a changed template therefore leaves the cache
    keys of the other steps as they are.

    Args:
        experiment: A checked experiment whose registered models are resolved.

    Raises:
        InputError: If a data file or a backbone can't be read.
    """
    contents = _read_contents(experiment)
    digests = _plan_shared_steps(experiment, contents)
    has_documents = experiment.documents.are_given
    contenders = [
        _plan_contender(each, contents, has_documents=has_documents)
        for each in experiment.contenders
    ]
    key = _race_key(experiment, contents, digests, contenders)
    resolved = dataclasses.asdict(experiment)
    labels = [contender.label for contender in experiment.contenders]
    registration = {
        "register": dataclasses.asdict(experiment.register),
        "serving": dataclasses.asdict(experiment.serving),
        "data": list(contents.data),
        "data_licence": experiment.data.licence,
    }
    return Plan(
        Race(experiment.name, key),
        {
            "experiment": json.dumps({"labels": labels, "experiment": resolved}),
            # The licence changes no example, so ingest does not depend on it.
            "data": to_json(dataclasses.replace(experiment.data, licence="")),
            "entries": json.dumps([_admission(each) for each in experiment.contenders]),
            "contenders": contenders,
            "evaluate": to_json(experiment.evaluate),
            "registration": json.dumps(registration),
            "ingest_digests": str(digests["ingest"]),
            "admit_digests": str(digests["admit"]),
            "register_digests": str(digests["register"]),
            "report_digests": str(plan_digests(["steps.report"])),
            "documents": to_json(experiment.documents),
            "passages_digests": str(digests.get("passages", "")),
            "index_digests": str(digests.get("index", "")),
            "results": experiment.results,
        },
        experiment.contenders,
    )


def _read_contents(experiment: Experiment) -> _Contents:
    given = sorted(set(experiment.data.files))
    names = sorted({contender.backbone for contender in experiment.contenders})
    return _Contents(
        data={location: locations.content_digest(location) for location in given},
        declared={file: locations.content_digest(file) for file in _declared_files(experiment)},
        documents={
            location: storage.content_digest(location)
            for location in sorted(set(experiment.documents.files))
        },
        backbones={
            name: registered.fingerprint(name) or backbones.fingerprint(name) for name in names
        },
    )


def _plan_shared_steps(experiment: Experiment, contents: _Contents) -> dict[str, Digests]:
    """Returns what the steps depend on that all contenders share and that decide figures."""
    variant_modules = _variant_modules(experiment.contenders)
    planned = {
        "ingest": plan_digests(["steps.ingest", *_data_modules(experiment.data)], contents.data),
        "admit": plan_digests(["steps.admit"], contents.declared, contents.backbones),
        "register": plan_digests(["steps.register", *variant_modules]),
    }
    if experiment.documents.are_given:
        planned["passages"] = plan_digests(["steps.passages"], contents.documents)
        planned["index"] = plan_digests(
            ["steps.index"], backbones={minilm.NAME: backbones.fingerprint(minilm.NAME)}
        )
    return planned


def _plan_contender(
    contender: Contender, contents: _Contents, *, has_documents: bool
) -> dict[str, str]:
    """Returns what the steps of one contender get, as texts that kfp can loop over."""
    own = {contender.backbone: contents.backbones[contender.backbone]}
    variant = _variant_modules([contender])
    seen = {file: contents.declared[file] for file in contender.trained_on.files}
    planned = {
        "label": contender.label,
        "settings": to_json(contender),
        "entry": json.dumps(_entry(contender)),
        "featurize": str(plan_digests(["steps.featurize"], backbones=own)),
        "train": str(plan_digests(["steps.train", *variant], seen, own)),
        "predict": str(plan_digests(["steps.predict", *variant])),
        "evaluate": str(plan_digests(["steps.evaluate"])),
    }
    if has_documents:
        planned["answer"] = str(plan_digests(["steps.answer", *variant]))
    return planned


def _race_key(
    experiment: Experiment,
    contents: _Contents,
    digests: dict[str, Digests],
    contenders: list[dict[str, str]],
) -> str:
    """Returns the digest by which a race is known: two equal races have the same one.

    The resources and the code of the report are no part of it, because they change no figure.
    """
    settings = dataclasses.asdict(experiment)
    del settings["resources"]
    return digest(
        json.dumps(settings, sort_keys=True),
        *contents.data.values(),
        *contents.declared.values(),
        *contents.backbones.values(),
        *contents.documents.values(),
        *(planned.code for planned in digests.values()),
        *(each[step] for each in contenders for step in LOOP_STEPS if step in each),
    )


def _entry(contender: Contender) -> dict[str, Any]:
    """Returns the settings that decide the windows of a contender."""
    return {"backbone": contender.backbone, "windows": dataclasses.asdict(contender.windows)}


def _admission(contender: Contender) -> dict[str, Any]:
    """Returns the settings that decide whether a contender may be judged on the examples."""
    declared = dataclasses.asdict(contender.trained_on)
    return {
        "label": contender.label,
        **_entry(contender),
        "trained_on": declared,
        "frozen_layers": _count_frozen(contender),
    }


def _declared_files(experiment: Experiment) -> list[str]:
    """Returns the files that backbones were trained on, as the experiment declares."""
    return sorted({file for each in experiment.contenders for file in each.trained_on.files})


def _data_modules(data: Data) -> list[str]:
    """Returns the modules that ingest imports by name: sources, and the reading of documents."""
    synthesis = ["documents.synthesis"] if data.synthesize.files else []
    return [*list_modules(data.source), *synthesis]


def _variant_modules(contenders: Iterable[Contender]) -> list[str]:
    """Returns the modules of the contenders' variants; with a champion, of all variants.

    A champion may be of any variant, and only its version says which.
    """
    names = {contender.variant for contender in contenders}
    if registered.CHAMPION in names:
        names |= set(variants.list_variants())
    return [f"models.variants.{name}" for name in sorted(names)]
