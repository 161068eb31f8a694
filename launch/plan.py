"""An experiment -> the arguments of the pipeline: sections as JSON, digests for the cache keys."""

import dataclasses
import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import squadron
from launch import registered
from squadron import backbones, scratch, storage, variants
from squadron.config import Experiment, digest, to_json
from squadron.model_names import read_model_name
from squadron.sources import load_source


def check_experiment(experiment: Experiment) -> None:
    """Refuses what configuration alone can't know: sources, variants, options, unreadable files.

    Raises:
        InputError: With the path of the bad value or the location.
    """
    load_source(experiment.data.source)
    for contender in experiment.contenders:
        load_source(contender.trained_on.source)
    for location in (*experiment.data.files, *_declared_files(experiment)):
        storage.content_digest(location)
    for number, contender in enumerate(experiment.contenders, start=1):
        variants.check_contender(contender, f"contenders -> {number}")
        registered.check_model_backbone(contender, f"contenders -> {number}")
    # The champion's own is found by `registered.resolve_models`.
    needed = {c.backbone for c in experiment.contenders if c.variant != registered.CHAMPION}
    if experiment.evaluate.bertscore:
        needed.add(backbones.OFFLINE)
    for backbone in needed:
        # A remote one would be fetched whole; plan_arguments tells whether it is there. And
        # `scratch` is made by featurize, a registered model fetched by the steps.
        if read_model_name(backbone) or scratch.read_kind(backbone):
            continue
        if not storage.is_remote(backbone):
            backbones.locate(backbone)


def plan_arguments(experiment: Experiment, store: str) -> dict[str, Any]:
    """The pipeline's arguments. Equal experiments, data and code give equal arguments.

    Args:
        experiment: Checked, its registered models resolved.
        store: As tracking.identify_store gives it; "" where only the cluster knows.

    Raises:
        InputError: If a data file or a backbone can't be read.
    """
    code = code_digest()
    locations = sorted(set(experiment.data.files))
    read = [*locations, *_declared_files(experiment)]
    contents = digest(*(storage.content_digest(location) for location in read))
    resolved = dataclasses.asdict(experiment)
    prints = {
        backbone: registered.fingerprint(backbone) or backbones.fingerprint(backbone)
        for backbone in sorted({contender.backbone for contender in experiment.contenders})
    }
    # With the backbones' own: featurize is cached by the key, too.
    key = digest(json.dumps(resolved, sort_keys=True), contents, code, *prints.values())
    sha = git_sha()
    contenders = [
        {
            "label": contender.label,
            "settings": to_json(contender),
            "digests": json.dumps({"code": code, "backbone": prints[contender.backbone]}),
        }
        for contender in experiment.contenders
    ]
    features = [
        {
            "label": c.label,
            "backbone": c.backbone,
            "trained_on": dataclasses.asdict(c.trained_on),
            "windows": dataclasses.asdict(c.windows),
        }
        for c in experiment.contenders
    ]
    about = {
        "labels": [contender.label for contender in experiment.contenders],
        "experiment": resolved,
        "git_sha": sha,
    }
    registration = {
        "register": dataclasses.asdict(experiment.register),
        "git_sha": sha,
        "race": f"{experiment.name}-{key}",
        "data": locations,
        "data_licence": experiment.data.licence,
    }
    return {
        "race": json.dumps({"name": experiment.name, "key": key, "store": store}),
        "experiment": json.dumps(about),
        "data": to_json(experiment.data),
        "features": json.dumps(features),
        "contenders": contenders,
        "evaluate": to_json(experiment.evaluate),
        "registration": json.dumps(registration),
        "digests": json.dumps({"code": code, "data": contents}),
        "results": experiment.results,
    }


def _declared_files(experiment: Experiment) -> list[str]:
    """The files that backbones were trained on, as the experiment declares."""
    return sorted({file for each in experiment.contenders for file in each.trained_on.files})


def code_digest() -> str:
    """Of every source file and template: a changed step must not be served from a cache."""
    root = Path(squadron.__file__).parent
    sha256 = hashlib.sha256()
    for path in sorted(path for end in ("py", "j2") for path in root.rglob(f"*.{end}")):
        sha256.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return sha256.hexdigest()[:16]


def git_sha() -> str:
    """The commit of this checkout, "-dirty" after it if files differ; SQUADRON_GIT_SHA wins."""
    given = os.environ.get("SQUADRON_GIT_SHA")
    if given:
        return given
    try:
        command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()
