"""The step open_race."""

import json
import time
from pathlib import Path

from squadron import provenance
from squadron.steps._record import record_examples
from squadron.steps._step import step


@step
def open_race(*, experiment: str, examples: Path, this_try: str = "") -> str:
    """Opens the race in MLflow: the parent run, with its examples, and a child per contender.

    Args:
        experiment: JSON of {labels, experiment (resolved)}.
        examples: As ingest wrote them.
        this_try: Id of this run of the pipeline, for `close_race`; "" if there is none.

    Returns:
        The id of the parent run. It is another one in another store.
    """
    from squadron import tracking

    fields = json.loads(experiment)
    race = tracking.current_race()
    tracking.send_waiting(race)
    parent = tracking.open_race(
        race, fields["labels"], fields["experiment"], provenance.commit(), this_try
    )
    tracking.describe_experiment(race, _describe)
    record_examples(parent, examples)
    return parent


def _describe(runs_page: str) -> dict[str, str]:
    """What the experiment's page says of races, and the view of contenders that it offers."""
    from squadron import tracking
    from squadron.reports import notes

    page = f"{runs_page}&viewStateShareKey={notes.VIEW}"
    return {
        tracking.NOTE_TAG: notes.describe_experiment(page),
        tracking.VIEW_TAG + notes.VIEW: notes.contenders_view(int(time.time() * 1000)),
    }
