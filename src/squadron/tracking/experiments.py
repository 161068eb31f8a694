"""The MLflow experiment of a race: found or created by its name, and described."""

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from squadron.errors import InputError
from squadron.tracking import elections
from squadron.tracking.links import PAGES
from squadron.tracking.race import Race
from squadron.tracking.schema_lock import sqlite_file
from squadron.tracking.store import connect, explained, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient


def find_or_create_experiment(client: "MlflowClient", name: str) -> str:
    """Returns the id of an MLflow experiment, which is created if there is none.

    Raises:
        InputError: If an experiment of this name was deleted.
    """
    found = client.get_experiment_by_name(name)
    if found is not None:
        if found.lifecycle_stage == "deleted":
            raise InputError(
                f"The MLflow experiment {name!r} is deleted; restore it "
                f"(`mlflow experiments restore -x {found.experiment_id}`) or rename yours"
            )
        return str(found.experiment_id)
    location = None
    file = sqlite_file(tracking_uri())
    if file is not None:
        # Artifacts belong beside the store. MLflow's default is the step's working directory.
        location = (file.parent / "artifacts" / name).as_uri()
    # MLflow's pages choose their columns by the kind of experiment.
    kind = {"mlflow.experimentKind": "custom_model_development"}
    from mlflow.exceptions import MlflowException

    try:
        return str(client.create_experiment(name, artifact_location=location, tags=kind))
    except MlflowException as error:
        # Names are unique in MLflow. Another process has just created the experiment.
        found = client.get_experiment_by_name(name)
        if error.error_code != "RESOURCE_ALREADY_EXISTS" or found is None:
            raise
        return str(found.experiment_id)


def describe_experiment(race: Race | None, describe: Callable[[str], Mapping[str, str]]) -> None:
    """Sets tags of the race's experiment, and keeps those that the experiment has.

    A description that a person wrote is therefore not replaced.

    Args:
        race: An opened race; None means that nothing is tracked.
        describe: Returns the tags; its argument is a link to the experiment's runs.
    """
    if race is None:
        return
    client = connect()
    with explained():
        experiment_id = find_or_create_experiment(client, race.name)
        known = client.get_experiment(experiment_id).tags
        for key, text in describe(f"#/experiments/{experiment_id}/runs{PAGES}").items():
            if key not in known:
                elections.persist(
                    functools.partial(client.set_experiment_tag, experiment_id, key, text)
                )
