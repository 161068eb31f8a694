"""The step open_race."""

import json

from squadron import provenance
from squadron.steps._step import step


@step
def open_race(*, experiment: str) -> str:
    """Opens the race in MLflow: the parent run and a child per contender.

    Args:
        experiment: JSON of {labels, experiment (resolved)}.

    Returns:
        The id of the parent run. It is another one in another store.
    """
    from squadron import tracking

    fields = json.loads(experiment)
    race = tracking.current_race()
    tracking.send_waiting(race)
    return tracking.open_race(race, fields["labels"], fields["experiment"], provenance.commit())
