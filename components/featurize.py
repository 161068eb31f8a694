"""Component featurize: examples -> windows, for one contender."""

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def featurize(
    entry: str,
    digests: str,
    examples: dsl.Input[dsl.Dataset],
    windows: dsl.Output[dsl.Dataset],
):
    """Cuts sliding windows.

    Args:
        entry: JSON of {backbone, windows}. Contenders with equal ones share the cached step.
        digests: Of the code and of what it reads; checked, and part of the cache key.
        examples: From ingest.
        windows: {split}.arrow and windows.json.
    """
    from squadron import steps

    steps.featurize(entry=entry, digests=digests, examples=examples.path, windows=windows.path)
