"""Component admit: refuses contenders that may not race, before any training."""

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def admit(contenders: str, digests: str, examples: dsl.Input[dsl.Dataset]):
    """Refuses contenders that were trained on what they would be judged on.

    Args:
        contenders: JSON list with {label, backbone, windows, trained_on} of each contender.
        digests: JSON of squadron.provenance.Digests: checked by the step, part of the cache key.
        examples: The artifact of ingest.
    """
    from squadron import steps

    steps.admit(contenders=contenders, digests=digests, examples=examples.path)
