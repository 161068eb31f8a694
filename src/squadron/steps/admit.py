"""The step admit: who may race on these examples, told before anything trains."""

import json
from pathlib import Path

from squadron import progress, provenance, storage
from squadron.artifacts import read_json, read_table
from squadron.config import TrainedOn, from_mapping
from squadron.steps._backbones import fetched
from squadron.steps._files import JUDGED
from squadron.steps._step import step


@step
def admit(*, contenders: str, examples: Path, digests: str = "") -> None:
    """Refuses contenders that have seen what would judge them, or take no such long windows.

    Args:
        contenders: JSON list of {label, backbone, trained_on, windows}.
        digests: JSON of provenance.Digests; "" compares nothing.
        examples: As ingest wrote them.

    Raises:
        InputError: With the contender, and one of the titles or questions that it has seen or the
            longest window that its backbone takes.
    """
    from squadron.models import architectures, backbones, scratch, trained_on

    planned = provenance.read_digests(digests)
    tables = {
        name: read_table(examples / f"{name}.parquet", schema="examples/1")
        for name in ("train", *JUDGED)
    }
    split_by = read_json(examples / "validation.json", schema="validation/1")["split_by"]
    judged = {name: tables[name] for name in JUDGED}
    fairness = trained_on.Fairness(tables["train"], judged, split_by)
    for contender in json.loads(contenders):
        label, backbone = contender["label"], contender["backbone"]
        if scratch.read_kind(backbone):
            continue  # it is made of this race's train split
        declared = from_mapping(TrainedOn, contender["trained_on"])
        for file in declared.files:
            planned.check_data(file, storage.content_digest(file))
        with fetched(backbone, planned) as place:
            record = trained_on.read_record(place, declared)
            config = backbones.read_config(place).to_dict()
        architectures.check_length(backbone, config, contender["windows"]["max_length"])
        fairness.check(label, backbone, record)
        if not record.is_whole:
            progress.say(
                f"admit      {label} is trained on unknown data: nobody recorded what {backbone} "
                "has seen; declare it with trained_on"
            )
