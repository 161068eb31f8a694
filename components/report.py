"""Component report: the evaluations of all contenders and race_result.json -> one page."""

from typing import List  # noqa: UP035 the annotation that kfp reads

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def report(
    experiment: str,
    digests: str,
    results: str,
    examples: dsl.Input[dsl.Dataset],
    evaluations: dsl.Input[List[dsl.Artifact]],  # noqa: UP006
    race_result: dsl.Input[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
):
    """Writes the page that says which model to promote, and why.

    Args:
        experiment: JSON of {labels, experiment}, where experiment is the resolved experiment.
        digests: JSON of squadron.provenance.Digests: checked by the step, part of the cache key.
        results: Where the page is published; "" for nowhere.
        examples: The artifact of ingest.
        evaluations: The artifacts of evaluate, one for each contender.
        race_result: The file race_result.json of register.
        page: The file report.html.
    """
    from squadron import steps

    steps.report(
        experiment=experiment,
        results=results,
        digests=digests,
        examples=examples.path,
        evaluations=[evaluation.path for evaluation in evaluations],
        race_result=race_result.path,
        page=page.path,
    )
