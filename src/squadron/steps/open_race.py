"""The step open_race."""

import json
import time

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
    parent = tracking.open_race(race, fields["labels"], fields["experiment"], provenance.commit())
    tracking.describe_experiment(race, _describe)
    return parent


def _describe(runs_page: str) -> dict[str, str]:
    """What the experiment's page says of races, and the view of contenders that it offers."""
    from squadron import notes, tracking

    page = f"{runs_page}&viewStateShareKey={notes.VIEW}"
    return {
        tracking.NOTE_TAG: notes.describe_experiment(page),
        tracking.VIEW_TAG + notes.VIEW: notes.contenders_view(int(time.time() * 1000)),
    }
