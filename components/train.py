"""Component train: windows -> model, for one contender."""

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def train(
    contender: str,
    digests: str,
    examples: dsl.Input[dsl.Dataset],
    windows: dsl.Input[dsl.Dataset],
    model: dsl.Output[dsl.Model],
):
    """Trains one contender and keeps its best epoch.

    Args:
        contender: JSON of squadron.config.Contender.
        digests: JSON of squadron.provenance.Digests: checked by the step, part of the cache key.
        examples: The artifact of ingest.
        windows: The artifact of featurize.
        model: A folder with weights, tokenizer, variant.json and trained_on.json.
    """
    from squadron import steps

    steps.train(
        contender=contender,
        digests=digests,
        windows=windows.path,
        examples=examples.path,
        model=model.path,
    )
