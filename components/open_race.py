"""Component open_race: opens the race in MLflow."""

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def open_race(experiment: str, this_try: str, examples: dsl.Input[dsl.Dataset]) -> str:
    """Opens the parent run and a child for each contender, and logs the examples to the parent.

    Args:
        experiment: JSON of {labels, experiment}, where experiment is the resolved experiment.
        this_try: The id of the pipeline's run in Kubeflow.
        examples: The artifact of ingest.

    Returns:
        The id of the parent run.
    """
    from squadron import steps

    return steps.open_race(experiment=experiment, this_try=this_try, examples=examples.path)
