"""Component register: models and figures of all contenders -> the champion."""

from typing import List  # noqa: UP035 the annotation that kfp reads

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def register(
    settings: str,
    opened: str,
    digests: str,
    results: str,
    models: dsl.Input[List[dsl.Model]],  # noqa: UP006
    evaluations: dsl.Input[List[dsl.Artifact]],  # noqa: UP006
    champion: dsl.Output[dsl.Artifact],
):
    """Registers the contender with the best EM on select, if it passes the gate.

    Args:
        settings: JSON of {register, data, data_licence}.
        opened: From open_race; another store or race registers anew.
        digests: Of the code and of what it reads; checked, and part of the cache key.
        results: Where models and figures are published; "" for nowhere.
        models: From train, of every contender.
        evaluations: From evaluate, in the same order.
        champion: champion.json.
    """
    from squadron import steps

    steps.register(
        settings=settings,
        opened=opened,
        digests=digests,
        results=results,
        models=[model.path for model in models],
        evaluations=[evaluation.path for evaluation in evaluations],
        champion=champion.path,
    )
