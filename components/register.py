"""Component register: models and figures of all contenders -> the winner, registered."""

from typing import List  # noqa: UP035 the annotation that kfp reads

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def register(
    settings: str,
    opened: str,
    digests: str,
    results: str,
    examples: dsl.Input[dsl.Dataset],
    models: dsl.Input[List[dsl.Model]],  # noqa: UP006
    evaluations: dsl.Input[List[dsl.Artifact]],  # noqa: UP006
    race_result: dsl.Output[dsl.Artifact],
):
    """Registers the contender with the best exact match on select, if it passes the gates.

    Args:
        settings: JSON of {register: squadron.config.Register, serving: squadron.config.Serving,
            data: its files, data_licence}.
        opened: The id of the parent run. It only makes a race in another store register again.
        digests: JSON of squadron.provenance.Digests: checked by the step, part of the cache key.
        results: Where models, evaluations and race_result.json are published; "" for nowhere.
        examples: The artifact of ingest: a serving format is judged on its split select.
        models: The artifacts of train, one for each contender.
        evaluations: The artifacts of evaluate, in the same order.
        race_result: The file race_result.json: the order of the contenders, their comparison with
            the winner, and the registered version or why there is none.
    """
    from squadron import steps

    steps.register(
        settings=settings,
        opened=opened,
        digests=digests,
        results=results,
        examples=examples.path,
        models=[model.path for model in models],
        evaluations=[evaluation.path for evaluation in evaluations],
        race_result=race_result.path,
    )
