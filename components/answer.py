"""Component answer: passages found and a model -> answers and figures, for one contender."""

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def answer(
    documents: str,
    contender: str,
    digests: str,
    examples: dsl.Input[dsl.Dataset],
    passages: dsl.Input[dsl.Dataset],
    found: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    evaluation: dsl.Input[dsl.Artifact],
    answered: dsl.Output[dsl.Artifact],
    figures: dsl.Output[dsl.Metrics],
):
    """Reads the passages that were found, as the registered model would, and scores the answers.

    Args:
        documents: JSON of squadron.config.Documents.
        contender: JSON of squadron.config.Contender.
        digests: JSON of squadron.provenance.Digests: checked by the step, part of the cache key.
        examples: The artifact of ingest.
        passages: The artifact of the step passages.
        found: What the searches of the step index found.
        model: The artifact of train.
        evaluation: The artifact of evaluate.
        answered: The same evaluation, with these answers and their figures.
        figures: Figures for the pages of Kubeflow.
    """
    from squadron import steps

    figures.metadata |= steps.answer(
        documents=documents,
        contender=contender,
        digests=digests,
        examples=examples.path,
        passages=passages.path,
        found=found.path,
        model=model.path,
        evaluation=evaluation.path,
        answered=answered.path,
        figures_file=figures.path,
    )
