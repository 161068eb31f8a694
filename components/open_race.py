"""Component open_race: opens the race in MLflow."""

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def open_race(race: str, experiment: str) -> None:
    """Opens the parent run and a child per contender.

    Args:
        race: JSON of squadron.tracking.Race.
        experiment: JSON of {labels, experiment, git_sha}.
    """
    from squadron import steps

    steps.open_race(race=race, experiment=experiment)
