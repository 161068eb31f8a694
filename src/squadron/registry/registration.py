"""Registration of a race's winner: the gate, the logged model, its version, its alias `candidate`.

`versions` finds, fetches and promotes the versions that this makes.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from squadron import requirements, tracking
from squadron.answers.answering import Answering
from squadron.errors import InputError
from squadron.models import model_folder
from squadron.registry.versions import (
    CANDIDATE,
    Registered,
    find_alias,
    point_alias,
    tag_version,
)
from squadron.reports import model_card, notes
from squadron.reports.model_card import ModelCard
from squadron.tracking import elections


def gate(select: dict[str, float], all_null_exact: float) -> str:
    """Why a model may not be registered, or an empty string.

    Args:
        select: Its figures on the select split, 0 to 100.
        all_null_exact: EM of answering "" to everything there.
    """
    if select["exact"] <= all_null_exact:
        return (
            f"its EM on select, {select['exact']:.2f}, does not beat answering nothing to every "
            f"question, {all_null_exact:.2f}"
        )
    return ""


def register_model(
    name: str,
    run_id: str,
    model: Path,
    answering: Answering,
    tags: dict[str, str],
    card: ModelCard | None = None,
) -> Registered:
    """Logs the model to its run, tries it, registers it and gives it the alias `candidate`.

    Called again for the same run it finds the version that is there. Two processes that call it at
    once end with one version: the lowest of the run, which both know after they made their own.

    Args:
        name: In the registry.
        run_id: The contender's child run.
        model: A model folder.
        answering: Stored with the model, which serves by it.
        tags: Figures and origin; a version has no metrics of its own.
        card: Stored with the model, its short form as the version's description.

    Raises:
        InputError: If the store can't be used, or the logged model can't answer.
    """
    client = tracking.connect()
    with tracking.explained():
        found = _version_of_run(client, name, run_id)
        if found is None:
            found = _create_version(client, name, run_id, model, answering, tags, card)
        _delete_spare_versions(client, name, run_id, str(found.version))
        pointed = find_alias(client, name, CANDIDATE)
        kept, previous = dict(tags), ""
        if pointed and str(pointed.version) != str(found.version):
            kept["previous_candidate"] = previous = str(pointed.version)
        for key, value in kept.items():
            tag_version(client, name, str(found.version), key, value)
        description = card.summary if card else _describe(tags)
        client.update_model_version(name, found.version, description=description)
        point_alias(client, name, CANDIDATE, str(found.version))
    return Registered(name, str(found.version), tags, run_id, previous)


def _create_version(
    client: Any,
    name: str,
    run_id: str,
    model: Path,
    answering: Answering,
    tags: dict[str, str],
    card: ModelCard | None,
) -> Any:
    """Logs, tries and registers a model; the version of the run that counts, see `register_model`.

    A version's number is that of the last one plus one, so no lower one can appear later.
    """
    import mlflow

    uri = _log_model(run_id, model, answering, card)
    _try(uri)
    try:
        client.create_registered_model(name, description=notes.describe_model(name))
    except mlflow.exceptions.MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    made = elections.persist(client.create_model_version, name, uri, run_id=run_id, tags=tags)
    found = _version_of_run(client, name, run_id) or made
    if str(found.version) != str(made.version):
        _delete_version(client, name, str(made.version))
        client.delete_logged_model(uri.removeprefix("models:/"))
    return found


def _version_of_run(client: Any, name: str, run_id: str) -> Any:
    """The lowest version of a run, the one that counts; None if there is none."""
    found = client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'")
    return min(found, key=lambda v: int(v.version)) if found else None


def _delete_spare_versions(client: Any, name: str, run_id: str, kept: str) -> None:
    """Deletes what a process left that was killed while it registered the same run.

    A version with an alias stays: somebody may serve it.
    """
    for version in client.search_model_versions(f"name = '{name}' and run_id = '{run_id}'"):
        number = str(version.version)
        if int(number) > int(kept) and not client.get_model_version(name, number).aliases:
            _delete_version(client, name, number)


def _delete_version(client: Any, name: str, version: str) -> None:
    """Deletes a version; one that another process deleted is no error."""
    import mlflow

    try:
        client.delete_model_version(name, version)
    except mlflow.exceptions.MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def _log_model(run_id: str, model: Path, answering: Answering, card: ModelCard | None) -> str:
    """Logs the pyfunc; returns its models:/ URI."""
    import mlflow

    import squadron

    package = Path(squadron.__file__).parent
    # The package itself travels with the model.
    serving = requirements.find_distributions("squadron.serving.pyfunc")
    needed = serving | model_folder.find_requirements(model)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "model"
        shutil.copytree(model, folder)
        model_folder.write_answering(folder, answering, made_from=run_id)
        if card:
            (folder / model_card.FILE).write_text(card.text, encoding="utf-8")
        with mlflow.start_run(run_id=run_id):
            info = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(package / "serving/pyfunc.py"),
                artifacts={"model": str(folder)},
                code_paths=[str(package)],
                pip_requirements=requirements.pin(needed),
                input_example=None,
            )
    return str(info.model_uri)


def _try(uri: str) -> None:
    """A logged model becomes READY whether it works or not: ask it something."""
    import mlflow

    model = mlflow.pyfunc.load_model(uri)
    answer = model.predict([{"question": "Who wrote it?", "context": "Ada wrote it in 1843."}])
    if not isinstance(answer, list) or set(answer[0]) < {"text", "score", "answered"}:
        raise InputError(f"The logged model {uri} gave {answer!r} to a trial question")


def _describe(tags: dict[str, str]) -> str:
    lines = [f"- {key}: {value}" for key, value in sorted(tags.items())]
    return "Registered by a squadron race.\n\n" + "\n".join(lines)
