"""Registers the winner of a race: the logged model, its version and its alias.

`gates` says whether a model may be registered, and `logged_model` gives it to MLflow. `versions`
finds, downloads and promotes the versions that this module creates.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from squadron import tracking
from squadron.answers.answering import Answering
from squadron.registry.logged_model import log_model
from squadron.registry.stored_model import DamagedError, check_logged, check_version
from squadron.registry.versions import (
    CANDIDATE,
    Registered,
    find_alias,
    point_alias,
    tag_version,
)
from squadron.reports import notes
from squadron.reports.model_card import ModelCard
from squadron.tracking import elections

_LOGGED = "models:/"
"""How the URI of a logged model begins."""


def register_model(
    name: str,
    run_id: str,
    model: Path,
    answering: Answering,
    tags: dict[str, str],
    card: ModelCard | None = None,
) -> Registered:
    """Registers a contender's model and gives the version the alias `candidate`.

    Before the alias moves, the files of the version are read back from where MLflow keeps them,
    compared, and asked a question. A second call for the same run finds the version of the first
    call; it replaces a damaged one that has no alias. If two processes call this at the same time,
    they end with one version: the lowest one of the run, which both find after each has created its
    own.

    Args:
        name: The name of the registered model.
        run_id: The contender's run, to which the model is logged.
        model: A model folder.
        answering: How the model answers, stored with it and used when it is served.
        tags: The figures and the origin of the version, which has no metrics in MLflow.
        card: The model card, stored with the model; its summary describes the version.

    Returns:
        The version, with the version that had the alias before.

    Raises:
        InputError: If the store can't be used, the stored files are damaged, or the logged model
            can't answer.
    """
    client = tracking.connect()
    with tracking.explained():
        found = _find_sound_version(client, name, run_id)
        if found is None:
            found = _create_version(client, name, run_id, model, answering, tags, card)
        number = str(found.version)
        _delete_spare_versions(client, name, run_id, number)
        previous = _find_replaced(client, name, number)
        replaced = {"previous_candidate": previous} if previous else {}
        for key, value in (tags | replaced).items():
            tag_version(client, name, number, key, value)
        description = card.summary if card else _describe(tags)
        client.update_model_version(name, found.version, description=description)
        point_alias(client, name, CANDIDATE, number)
    return Registered(name, number, tags, run_id, previous)


def _find_replaced(client: Any, name: str, number: str) -> str:
    """Returns the version from which `candidate` moves to this one; "" if it does not move."""
    pointed = find_alias(client, name, CANDIDATE)
    return str(pointed.version) if pointed and str(pointed.version) != number else ""


def _create_version(
    client: Any,
    name: str,
    run_id: str,
    model: Path,
    answering: Answering,
    tags: dict[str, str],
    card: ModelCard | None,
) -> Any:
    """Logs, tries and registers a model; returns the lowest version of its run.

    Numbers of versions only grow, so no lower version of the run can be created later. If another
    process has created a lower one, the version of this process is deleted.
    """
    uri = log_model(run_id, model, answering, card)
    try:
        check_logged(uri, model, answering, run_id)
    except DamagedError:
        client.delete_logged_model(uri.removeprefix(_LOGGED))
        raise
    ensure_model(client, name)
    made = elections.persist(client.create_model_version, name, uri, run_id=run_id, tags=tags)
    found = version_of_run(client, name, run_id) or made
    if str(found.version) != str(made.version):
        delete_version(client, name, str(made.version))
        client.delete_logged_model(uri.removeprefix(_LOGGED))
    return found


def ensure_model(client: Any, name: str) -> None:
    """Creates a registered model, which has no version yet; does nothing if it exists."""
    import mlflow

    try:
        client.create_registered_model(name, description=notes.describe_model(name))
    except mlflow.exceptions.MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def version_of_run(client: Any, name: str, run_id: str) -> Any:
    """Returns the lowest version of a run; None if the run has no version."""
    found = client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
    return min(found, key=lambda v: int(v.version)) if found else None


def _find_sound_version(client: Any, name: str, run_id: str) -> Any:
    """Returns the lowest version of a run, whose files are whole; None if the run has none.

    Damaged versions are deleted, so that the run can have a new one.

    Raises:
        DamagedError: If a damaged version has an alias, because somebody may be serving it.
    """
    while found := version_of_run(client, name, run_id):
        try:
            check_version(f"models:/{name}/{found.version}")
        except DamagedError:
            if client.get_model_version(name, found.version).aliases:
                raise
            delete_version(client, name, str(found.version))
            if found.source.startswith(_LOGGED):
                client.delete_logged_model(found.source.removeprefix(_LOGGED))
        else:
            return found
    return None


def _delete_spare_versions(client: Any, name: str, run_id: str, kept: str) -> None:
    """Deletes other versions of the run, which a killed process may have left.

    A version with an alias stays, because somebody may be serving it.
    """
    for version in client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'"):
        number = str(version.version)
        if int(number) > int(kept):
            # A process that registers the same run may delete its own version at this moment.
            with _may_be_deleted():
                if not client.get_model_version(name, number).aliases:
                    client.delete_model_version(name, number)


def delete_version(client: Any, name: str, version: str) -> None:
    """Deletes a version; does nothing if another process has deleted it."""
    with _may_be_deleted():
        client.delete_model_version(name, version)


@contextlib.contextmanager
def _may_be_deleted() -> Iterator[None]:
    """Ends the block without an error if another process has deleted the version."""
    import mlflow

    try:
        yield
    except mlflow.exceptions.MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def _describe(tags: dict[str, str]) -> str:
    """Returns the description of a version that has no model card."""
    lines = [f"- {key}: {value}" for key, value in sorted(tags.items())]
    return "Registered by a squadron race.\n\n" + "\n".join(lines)
