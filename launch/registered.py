"""Resolves the registered models of an experiment: each alias and the champion becomes a version.

It happens before anything runs, so that the race key, the caches and all steps use one version.
"""

import os
import sys
from dataclasses import replace

from squadron import registry, tracking
from squadron.config import Contender, Experiment
from squadron.errors import InputError
from squadron.models import variants
from squadron.models.model_names import read_model_name

CHAMPION = "champion"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
"""The files from which transformers reads a network. A folder has one of them."""


def check_model_backbone(contender: Contender, path: str) -> None:
    """Refuses a bad name of a model, and an adapter on a registered model. It needs no registry."""
    if read_model_name(contender.backbone) is None or contender.variant == CHAMPION:
        return
    if getattr(variants.load_variant(contender.variant), "NAMES_BACKBONE", False):
        raise InputError(
            f"{path} -> backbone: {contender.backbone!r} is not allowed for {contender.variant}, "
            "which keeps only the name of its backbone and would need this registry wherever it "
            "is loaded; give the backbone that the registered model was trained on"
        )


def resolve_models(experiment: Experiment, *, is_local: bool) -> Experiment:
    """Returns the experiment with every registered model as models:/NAME/VERSION.

    The champion gets the windows and the settings of prediction with which its version serves. A
    champion without a version is left out, and a line on the terminal says so.

    Args:
        experiment: A checked experiment.
        is_local: Whether the race uses the store of this machine. If not, only the store that
            MLFLOW_TRACKING_URI names is asked, because the store beside this checkout is another.

    Raises:
        InputError: If a model or version does not exist or can't be a backbone, or if no contender
            is left.
    """
    can_ask = is_local or bool(os.environ.get(tracking.URI_VARIABLE))
    contenders: list[Contender] = []
    missing = ""
    for number, contender in enumerate(experiment.contenders, start=1):
        if contender.variant == CHAMPION:
            name = str(contender.options.get("model") or experiment.register.model_name)
            found = registry.find_champion(name) if can_ask else None
            if found is not None:
                contenders.append(_as_served(contender, found))
                continue
            missing = f"{contender.label}: " + (
                f"{name} has no registered version yet; it joins the next race"
                if can_ask
                else f"{tracking.URI_VARIABLE} names no registry here; set it to let {name} race"
            )
            print(missing, file=sys.stderr)
        else:
            contenders.append(_resolve_backbone(contender, f"contenders -> {number}", can_ask))
    if not contenders:
        raise InputError(f"{missing}; there is no other contender, so name one such as 'span'")
    return replace(experiment, contenders=tuple(contenders))


def fingerprint(backbone: str) -> str:
    """Returns the fingerprint of a registered model; "" if the backbone is not registered."""
    chosen = read_model_name(backbone)
    if chosen is None:
        return ""
    return registry.fingerprint(registry.find_version(chosen.name, chosen.version_or_alias))


def _as_served(contender: Contender, version: registry.Registered) -> Contender:
    served = registry.read_about(version).contender
    return replace(
        contender,
        backbone=version.uri,
        windows=served.windows,
        predict=replace(
            contender.predict,
            max_answer_tokens=served.predict.max_answer_tokens,
            precision=served.predict.precision,
        ),
    )


def _resolve_backbone(contender: Contender, path: str, can_ask: bool) -> Contender:
    chosen = read_model_name(contender.backbone)
    if chosen is None:
        return contender
    if not can_ask:
        raise InputError(
            f"{path} -> backbone: {contender.backbone!r} can't be looked up; set "
            f"{tracking.URI_VARIABLE} to the store that the race will use"
        )
    version = registry.find_version(chosen.name, chosen.version_or_alias)
    about = registry.read_about(version)
    names = {name.rpartition("/")[2] for name in about.files}
    if names.isdisjoint(WEIGHTS):
        raise InputError(
            f"{path} -> backbone: {version.uri} is not allowed; it is a model of the variant "
            f"{about.contender.variant!r}, which holds no network of its own; give a "
            "registered 'span' or 'crf' model, or its own backbone "
            f"{about.contender.backbone!r}"
        )
    return replace(contender, backbone=version.uri)
