"""Component featurize: examples -> windows, for one contender."""

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def featurize(
    entry: str,
    digests: str,
    examples: dsl.Input[dsl.Dataset],
    windows: dsl.Output[dsl.Dataset],
):
    """Cuts the examples into sliding windows.

    Args:
        entry: JSON of {backbone, windows}. Contenders with an equal entry share the cached step.
        digests: JSON of squadron.provenance.Digests: checked by the step, part of the cache key.
        examples: The artifact of ingest.
        windows: A folder with {split}.arrow and windows.json.
    """
    from squadron import steps

    steps.featurize(entry=entry, digests=digests, examples=examples.path, windows=windows.path)
