"""Component open_race: opens the race in MLflow."""

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def open_race(experiment: str) -> str:
    """Opens the parent run and a child per contender.

    Args:
        experiment: JSON of {labels, experiment}.

    Returns:
        The id of the parent run.
    """
    from squadron import steps

    return steps.open_race(experiment=experiment)
