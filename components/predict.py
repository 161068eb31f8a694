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
    """Scores the windows of tune, select and test.

    Args:
        contender: JSON of squadron.config.Contender.
        digests: Of the code and of what it reads; checked, and part of the cache key.
        windows: From featurize.
        model: From train.
        candidates: {split}.parquet.
    """
    from squadron import steps

    steps.predict(
        contender=contender,
        digests=digests,
        windows=windows.path,
        model=model.path,
        candidates=candidates.path,
    )
