"""Component evaluate: candidates -> answers and figures, for one contender."""

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def evaluate(
    settings: str,
    contender: str,
    digests: str,
    examples: dsl.Input[dsl.Dataset],
    candidates: dsl.Input[dsl.Dataset],
    evaluation: dsl.Output[dsl.Artifact],
    figures: dsl.Output[dsl.Metrics],
):
    """Chooses the answers of one contender and scores them.

    Args:
        settings: JSON of squadron.config.Evaluate.
        contender: JSON of squadron.config.Contender.
        digests: JSON of squadron.provenance.Digests: checked by the step, part of the cache key.
        examples: The artifact of ingest.
        candidates: The artifact of predict.
        evaluation: A folder with metrics.json, training_log.json and a folder for each split.
        figures: Figures for the pages of Kubeflow.
    """
    from squadron import steps

    figures.metadata |= steps.evaluate(
        settings=settings,
        contender=contender,
        digests=digests,
        examples=examples.path,
        candidates=candidates.path,
        evaluation=evaluation.path,
        figures_file=figures.path,
    )
