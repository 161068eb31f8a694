"""The race, read from top to bottom, and its command line: run (here) | compile | submit.

1. open_race   finds or creates the MLflow run of this race and of each contender
2. ingest      data -> examples, split by title
3. featurize   examples -> sliding windows, once per tokenizer
4. for each contender: train -> predict -> evaluate
5. register    the best exact match on the select split becomes the model version `candidate`
6. report      one page: which model to promote, and why
7. close_race  ends the MLflow runs with status and reason, whatever happened before
"""

import sys
from typing import Any, Dict, List  # noqa: UP035 the annotations that kfp reads

from kfp import dsl

import components as step
from launch.placement import Placement


def build_pipeline(place: Placement) -> Any:
    """The DAG. `place` says where tasks run and what they get; arguments come from launch.plan."""

    @dsl.pipeline(
        name="squadron", description="Extractive question answering: train, race, register"
    )
    def squadron(
        race: str,
        experiment: str,
        data: str,
        features: str,
        contenders: List[Dict[str, str]],  # noqa: UP006
        evaluate: str,
        registration: str,
        digests: str,
        results: str = "",
    ) -> None:
        closing = place.on_cpu(step.close_race(race=race), cached=False)
        with dsl.ExitHandler(closing, name="the race"):
            opened = place.on_cpu(step.open_race(race=race, experiment=experiment), cached=False)
            own = {"race": race, "digests": digests}
            ingested = place.on_cpu(step.ingest(data=data, **own).after(opened))
            examples = {"examples": ingested.outputs["examples"]}
            featurized = place.on_cpu(step.featurize(contenders=features, **examples, **own))
            windows = {"windows": featurized.outputs["windows"]}
            with dsl.ParallelFor(contenders, parallelism=place.parallelism) as contender:
                own = {"contender": contender.settings, "race": race, "digests": contender.digests}
                trained = place.on_gpu(step.train(**examples, **windows, **own))
                model = {"model": trained.outputs["model"]}
                predicted = place.on_gpu(step.predict(**windows, **model, **own))
                candidates = {"candidates": predicted.outputs["candidates"]}
                evaluated = place.on_cpu(
                    step.evaluate(settings=evaluate, **examples, **candidates, **own)
                )
            # One Collected per task that takes it: kfp changes it in compiling.
            gathered = [dsl.Collected(evaluated.outputs["evaluation"]) for _ in range(2)]
            models = dsl.Collected(trained.outputs["model"])
            own = {"results": results, "race": race, "digests": digests}
            registered = place.on_cpu(
                step.register(settings=registration, models=models, evaluations=gathered[0], **own)
            )
            own |= {"experiment": experiment, "champion": registered.outputs["champion"]}
            place.on_cpu(step.report(evaluations=gathered[1], **examples, **own))

    return squadron


if __name__ == "__main__":
    from launch.command_line import main

    sys.exit(main(sys.argv[1:], build_pipeline))
