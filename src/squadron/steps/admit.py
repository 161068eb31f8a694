"""The step admit: checks which contenders may race on these examples, before anything trains."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from squadron import progress, provenance
from squadron.artifacts import read_record, read_table
from squadron.config import TrainedOn, from_mapping
from squadron.data import locations
from squadron.data.validation_file import Validation
from squadron.provenance import Digests
from squadron.steps._backbones import fetched
from squadron.steps._files import JUDGED
from squadron.steps._step import step

if TYPE_CHECKING:
    from squadron.models.trained_on import Fairness


@step
def admit(*, contenders: str, examples: Path, digests: str = "") -> None:
    """Refuses contenders that have seen what would judge them, or whose windows are too long.

    Args:
        contenders: JSON list of {label, backbone, trained_on, windows, frozen_layers}.
        digests: JSON of provenance.Digests; with "", nothing is compared.
        examples: As ingest wrote them.

    Raises:
        InputError: If a contender is refused. The message names it, and one of the titles or
            questions that it has seen or the longest window that its backbone takes.
    """
    from squadron.models import scratch

    planned = provenance.read_digests(digests)
    fairness = _read_fairness(examples)
    for contender in json.loads(contenders):
        # A backbone made from scratch has seen only the train split of this race.
        if not scratch.read_kind(contender["backbone"]):
            _check_contender(contender, planned, fairness)


def _read_fairness(examples: Path) -> "Fairness":
    """Reads the examples with which the contenders are compared."""
    from squadron.models.trained_on import Fairness

    train, *judged = (
        read_table(examples / f"{name}.parquet", schema="examples/1") for name in ("train", *JUDGED)
    )
    split_by = read_record(Validation, examples / "validation.json").split_by
    return Fairness(train, dict(zip(JUDGED, judged, strict=True)), split_by)


def _check_contender(contender: Mapping[str, Any], planned: Digests, fairness: "Fairness") -> None:
    """Refuses a contender that can't race; says so if its training data are unknown.

    Raises:
        InputError: If the contender is refused, or its data or backbone are not the planned ones.
    """
    from squadron.models import architectures, backbones, trained_on

    label, backbone = contender["label"], contender["backbone"]
    declared = from_mapping(TrainedOn, contender["trained_on"])
    for file in declared.files:
        planned.check_data(file, locations.content_digest(file))
    with fetched(backbone, planned) as place:
        record = trained_on.read_record(place, declared)
        config = backbones.read_config(place).to_dict()
    architectures.check_length(backbone, config, contender["windows"]["max_length"])
    architectures.check_frozen_layers(backbone, config, contender["frozen_layers"])
    fairness.check(label, backbone, record)
    if not record.is_whole:
        progress.say(
            f"admit      {label} is trained on unknown data: nobody recorded what {backbone} "
            "has seen; declare it with trained_on"
        )
