"""The step open_race."""

import json

from squadron.steps._step import step


@step
def open_race(*, race: str, experiment: str) -> None:
    """Opens the race in MLflow: the parent run and a child per contender.

    Args:
        race: JSON of tracking.Race.
        experiment: JSON of {labels, experiment (resolved), git_sha}.
    """
    from squadron import tracking

    fields = json.loads(experiment)
    known = tracking.read_race(race)
    tracking.send_waiting(known)
    tracking.open_race(known, fields["labels"], fields["experiment"], fields["git_sha"])
