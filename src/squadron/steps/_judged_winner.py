"""What the gates are told about the winner of a race, collected from the files of other steps."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from squadron.config import Register
from squadron.errors import InputError
from squadron.models.model_names import read_model_name
from squadron.scores.leads import Lead
from squadron.steps._contenders import Contenders

if TYPE_CHECKING:
    from squadron.registry.gates import JudgedWinner, WeightCheck

UNTRAINED = "pretrained"
"""The variant that races as it comes, without training."""


def read_winner(
    contenders: Contenders, leads: Sequence[Lead], options: Register, data_licence: str
) -> "JudgedWinner":
    """Collects what the gates are told. The weights are read only if a gate asks for them.

    Args:
        contenders: Who races. One of them was not disqualified.
        leads: The winner's lead over each of the others.
        options: The settings of the step.
        data_licence: The licence of the data.
    """
    from squadron.models.model_folder import read_about
    from squadron.registry.gates import JudgedWinner
    from squadron.registry.trial import try_alone

    results, model = contenders.results, contenders.best_model
    origins = {n: contenders.find_origin(n) for n in contenders.racing}
    return JudgedWinner(
        winner=contenders.best,
        untrained={
            results[n].label: results[n].select.exact_match
            for n in contenders.racing
            if results[n].variant == UNTRAINED
        },
        champions=[
            results[n]
            for n, origin in origins.items()
            if origin and origin.name == options.model_name
        ],
        leads=leads,
        model_bytes=sum(path.stat().st_size for path in model.rglob("*") if path.is_file()),
        backbone_licence=find_licence(read_about(model).contender.backbone, options),
        data_licence=data_licence,
        weights=check_weights(model) if options.gates.finite_weights else None,
        trial=(try_alone(model, contenders.best.answering) if options.gates.loads_alone else None),
    )


def check_weights(model: Path) -> "WeightCheck":
    """Reads all files of a model folder and all of its weights."""
    from squadron.models.model_folder import check_files
    from squadron.models.weights import count_not_finite
    from squadron.registry.gates import WeightCheck

    try:
        check_files(model)
    except InputError as error:
        return WeightCheck(0, str(error))
    return WeightCheck(count_not_finite(model))


def find_licence(backbone: str, options: Register) -> str:
    """Returns the licence of a backbone's weights.

    The experiment may state it, and the version of a registered model says its own. If the data of
    that version forbid commercial use, the text says so, because its weights come from them.
    """
    from squadron.models import licences
    from squadron.registry.versions import find_version

    if backbone in options.backbone_licences:
        return options.backbone_licences[backbone]
    origin = read_model_name(backbone)
    if origin is None:
        return licences.find_licence(backbone)
    tags = find_version(origin.name, origin.version_or_alias).tags
    licence = tags.get("licence") or licences.find_licence(backbone)
    data = tags.get("data_licence", "")
    if licences.forbids_commercial_use(data):
        return f"{licence}; it was trained on data under {data}"
    return licence
