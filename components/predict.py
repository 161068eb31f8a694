"""Component predict: windows and model -> candidates, for one contender."""

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def predict(
    contender: str,
    digests: str,
    windows: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    candidates: dsl.Output[dsl.Dataset],
):
    """Scores the windows of tune, select and test, and of some questions of train if asked for.

    Args:
        contender: JSON of squadron.config.Contender.
        digests: JSON of squadron.provenance.Digests: checked by the step, part of the cache key.
        windows: The artifact of featurize.
        model: The artifact of train.
        candidates: A folder with status.json and, for each split, {split}.parquet and
            {split}.windows.parquet. A model that tells the types of questions adds
            {split}.types.parquet. A disqualified contender has status.json alone.
    """
    from squadron import steps

    steps.predict(
        contender=contender,
        digests=digests,
        windows=windows.path,
        model=model.path,
        candidates=candidates.path,
    )
