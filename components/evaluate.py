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
    """Answers and scores of one contender.

    Args:
        settings: JSON of squadron.config.Evaluate.
        contender: JSON of squadron.config.Contender.
        digests: Of the code and of what it reads; checked, and part of the cache key.
        examples: From ingest.
        candidates: From predict.
        evaluation: metrics.json, answers.json and nbest.json of each split.
        figures: For the pipeline's own pages.
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
