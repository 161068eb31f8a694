"""The step open_race: opens the race in MLflow."""

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
        experiment: JSON of {"labels": labels of the contenders, "experiment": the resolved
            experiment}.
        examples: The folder that ingest wrote.
        this_try: The id of this run of the pipeline, which `close_race` compares; "" if unknown.

    Returns:
        The id of the parent run. The same race has another id in another store.
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
    """Returns the tags of the experiment: its description, and its view of the contenders.

    Args:
        runs_page: The address of the page that lists the runs of the experiment.
    """
    from squadron import tracking
    from squadron.reports import notes

    page = f"{runs_page}&viewStateShareKey={notes.VIEW}"
    return {
        tracking.NOTE_TAG: notes.describe_experiment(page),
        tracking.VIEW_TAG + notes.VIEW: notes.contenders_view(int(time.time() * 1000)),
    }
