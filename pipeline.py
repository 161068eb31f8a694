"""The race as a DAG, from top to bottom. Its command line: check | run | compile | submit.

1. ingest      data -> examples, in the splits train, tune, select and test
2. admit       refuses contenders that may not be judged on these examples, before any training
3. open_race   finds or creates the MLflow run of this race and of each contender
4. passages    documents -> passages -> index (both steps only if the race has documents)
5. for each contender: featurize (examples -> sliding windows) -> train -> predict -> evaluate,
               and answer, from passages that the index finds, if the race has documents
6. register    registers the contender with the best exact match on select as `candidate`
7. report      writes one page that says which model to promote, and why
8. close_race  ends the MLflow runs with status and reason, whatever happened before
"""

import sys
from typing import Any, Dict, List  # noqa: UP035 the annotations that kfp reads

from kfp import dsl

import components as step
from launch.placement import Placement


def build_pipeline(place: Placement) -> Any:
    """Returns the DAG as a kfp pipeline. It is one long function, because kfp reads it as a whole.

    Args:
        place: Says where tasks run and what they get. launch.plan makes the pipeline's arguments.
    """

    @dsl.pipeline(
        name="squadron", description="Extractive question answering: train, race, register"
    )
    def squadron(
        experiment: str,
        data: str,
        entries: str,
        contenders: List[Dict[str, str]],  # noqa: UP006
        evaluate: str,
        registration: str,
        ingest_digests: str,
        admit_digests: str,
        register_digests: str,
        report_digests: str,
        documents: str,
        passages_digests: str,
        index_digests: str,
        results: str = "",
    ) -> None:
        # open_race and close_race know to which run of the pipeline they belong.
        this_try = {"this_try": dsl.PIPELINE_JOB_ID_PLACEHOLDER}
        closing = place.on_cpu(step.close_race(**this_try), cached=False)
        with dsl.ExitHandler(closing, name="the race"):
            ingested = place.on_cpu(step.ingest(data=data, digests=ingest_digests))
            examples = {"examples": ingested.outputs["examples"]}
            admitted = place.on_cpu(
                step.admit(contenders=entries, digests=admit_digests, **examples)
            )
            # The race is opened after admit, so that refused data and contenders leave nothing in
            # MLflow.
            opening = step.open_race(experiment=experiment, **this_try, **examples)
            opened = place.on_cpu(opening.after(admitted), cached=False)
            if place.has_documents:
                cut = place.on_cpu(
                    step.passages(documents=documents, digests=passages_digests, **examples).after(
                        opened
                    )
                )
                own = {"passages": cut.outputs["passages"], **examples}
                indexed = place.on_cpu(
                    step.index(documents=documents, digests=index_digests, **own)
                )
                searched = {"found": indexed.outputs["found"], "documents": documents, **own}
            with dsl.ParallelFor(contenders, parallelism=place.parallelism) as contender:
                featurized = place.on_cpu(
                    step.featurize(
                        entry=contender.entry, digests=contender.featurize, **examples
                    ).after(opened)
                )
                windows = {"windows": featurized.outputs["windows"]}
                own = {"contender": contender.settings}
                trained = place.on_gpu(
                    step.train(**examples, **windows, **own, digests=contender.train)
                )
                model = {"model": trained.outputs["model"]}
                predicted = place.on_gpu(
                    step.predict(**windows, **model, **own, digests=contender.predict)
                )
                candidates = {"candidates": predicted.outputs["candidates"]}
                own |= {"settings": evaluate, "digests": contender.evaluate}
                evaluated = place.on_cpu(step.evaluate(**examples, **candidates, **own))
                evaluation = evaluated.outputs["evaluation"]
                if place.has_documents:
                    own = {"contender": contender.settings, "digests": contender.answer}
                    answered = place.on_gpu(
                        step.answer(evaluation=evaluation, **searched, **model, **own)
                    )
                    evaluation = answered.outputs["answered"]
            # Each task that takes the evaluations needs a Collected of its own, because kfp changes
            # it when it compiles.
            gathered = [dsl.Collected(evaluation) for _ in range(2)]
            models = dsl.Collected(trained.outputs["model"])
            # The id of the race's run is an argument, so that a race in another store is not taken
            # from the cache: it registers and reports again.
            own = {"opened": opened.output, "results": results}
            own |= {"settings": registration, "digests": register_digests, **examples}
            registered = place.on_cpu(step.register(models=models, evaluations=gathered[0], **own))
            own = {"results": results, "digests": report_digests, "experiment": experiment}
            own |= {"race_result": registered.outputs["race_result"], **examples}
            place.on_cpu(step.report(evaluations=gathered[1], **own))

    return squadron


if __name__ == "__main__":
    from launch.command_line import main

    sys.exit(main(sys.argv[1:], build_pipeline))
