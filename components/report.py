"""Component report: the evaluations of all contenders and the champion -> one page."""

from typing import List  # noqa: UP035 the annotation that kfp reads

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def report(
    experiment: str,
    digests: str,
    results: str,
    examples: dsl.Input[dsl.Dataset],
    evaluations: dsl.Input[List[dsl.Artifact]],  # noqa: UP006
    champion: dsl.Input[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
):
    """Says which model to promote, and why.

    Args:
        experiment: JSON of {labels, experiment}.
        digests: Of the code and of what it reads; checked, and part of the cache key.
        results: Where the page is published; "" for nowhere.
        examples: From ingest.
        evaluations: From evaluate, of every contender.
        champion: From register.
        page: report.html.
    """
    from squadron import steps

    steps.report(
        experiment=experiment,
        results=results,
        digests=digests,
        examples=examples.path,
        evaluations=[evaluation.path for evaluation in evaluations],
        champion=champion.path,
        page=page.path,
    )
