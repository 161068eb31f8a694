"""The MLflow model registry: gates, registration, aliases, promotion and rollback.

A race sets the alias `candidate`; only a person sets `staging` (`squadron promote`).
"""

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from squadron import elections, model_card, model_folder, notes, requirements, tracking
from squadron.answering import Answering
from squadron.artifacts import MODEL_ABOUT
from squadron.config import digest
from squadron.errors import InputError
from squadron.model_card import ModelCard

CANDIDATE = "candidate"
STAGING = "staging"


@dataclass(frozen=True)
class Registered:
    """A version in the registry."""

    name: str
    version: str
    tags: dict[str, str]
    run_id: str

    @property
    def uri(self) -> str:
        """As MLflow names it."""
        return f"models:/{self.name}/{self.version}"


def fingerprint(version: Registered) -> str:
    """A digest of a version's identity.

    It counts the run that made the version: version 1 of another store is another model.
    """
    return digest(version.uri, version.run_id)


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
        previous = _alias(client, name, CANDIDATE)
        kept = dict(tags)
        if previous and str(previous.version) != str(found.version):
            kept["previous_candidate"] = str(previous.version)
        for key, value in kept.items():
            _tag_version(client, name, str(found.version), key, value)
        description = card.summary if card else _describe(tags)
        client.update_model_version(name, found.version, description=description)
        _point(client, name, CANDIDATE, str(found.version))
    return Registered(name, str(found.version), tags, run_id)


def promote(name: str, version: str, alias: str) -> str:
    """Points an alias at a version and remembers which version it replaces, for rollback.

    Returns:
        The version that the alias pointed at before, "" if none or the same.

    Raises:
        InputError: If there is no such model or version.
    """
    client = tracking.connect()
    chosen = find_version(name, version)
    with tracking.explained():
        found = _alias(client, name, alias)
        # A sqlite store gives numbers, a server text.
        previous = str(found.version) if found and str(found.version) != chosen.version else ""
        if previous:
            _tag_version(client, name, chosen.version, f"previous_{alias}", previous)
        _point(client, name, alias, chosen.version)
    return previous


def find_version(name: str, version_or_alias: str) -> Registered:
    """A version by its number or alias.

    Raises:
        InputError: If there is none, with the ones there are.
    """
    import mlflow

    client = tracking.connect()
    try:
        if version_or_alias.isdigit():
            found = client.get_model_version(name, version_or_alias)
        else:
            found = client.get_model_version_by_alias(name, version_or_alias)
    except mlflow.exceptions.MlflowException as error:
        with tracking.explained():
            versions = [str(v.version) for v in client.search_model_versions(f"name = '{name}'")]
        known = (
            f"it has the versions {', '.join(sorted(versions, key=int))}"
            if versions
            else "there is no such model"
        )
        raise InputError(
            f"The model {name!r} has no version or alias {version_or_alias!r} in "
            f"{tracking.shown_store()}: {known}; register one with `make run`"
        ) from error
    return Registered(name, str(found.version), dict(found.tags), str(found.run_id))


def find_champion(name: str) -> Registered | None:
    """The version under the alias `staging`, else `candidate`; None if there is neither.

    Raises:
        InputError: If the store can't be reached.
    """
    client = tracking.connect()
    with tracking.explained():
        # By name alone: asking for an alias that is not there is an error like any other.
        for model in client.search_registered_models(f"name = '{name}'"):
            for alias in (STAGING, CANDIDATE):
                if alias in model.aliases:
                    return find_version(name, str(model.aliases[alias]))
    return None


def keep_version(name: str, version: str) -> Registered:
    """Gives a version that is there the alias `candidate`; its tags stay those of its own race."""
    promote(name, version, CANDIDATE)
    return find_version(name, version)


def list_models() -> list[str]:
    """The names of all registered models, last changed first."""
    client = tracking.connect()
    with tracking.explained():
        models = client.search_registered_models()
    return [m.name for m in sorted(models, key=lambda m: -m.last_updated_timestamp)]


def fetch_model(registered: Registered, folder: Path) -> Path:
    """Downloads the model folder of a version."""
    import mlflow

    with tracking.explained():
        place = mlflow.artifacts.download_artifacts(
            f"{registered.uri}/artifacts", dst_path=str(folder)
        )
    return Path(place) / "model"


def read_about(registered: Registered) -> dict[str, Any]:
    """`variant.json` of a version; nothing else is downloaded.

    Raises:
        InputError: If it can't be had.
    """
    import mlflow

    # One small file: a bar would be all that a person sees of it.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with tempfile.TemporaryDirectory() as temporary:
        place = f"{registered.uri}/artifacts/model/{MODEL_ABOUT}"
        try:
            path = mlflow.artifacts.download_artifacts(place, dst_path=temporary)
        except (mlflow.exceptions.MlflowException, OSError) as error:
            text = " ".join(str(error).split())[:300]
            raise InputError(
                f"The model {registered.uri} has no {MODEL_ABOUT} that can be read from here: "
                f"{text}. A version that a race registered has one; check access to its files"
            ) from error
        return model_folder.read_about(Path(path).parent)


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


def _tag_version(client: Any, name: str, version: str, key: str, value: str) -> None:
    elections.persist(client.set_model_version_tag, name, version, key, value)


def _point(client: Any, name: str, alias: str, version: str) -> None:
    elections.persist(client.set_registered_model_alias, name, alias, version)


def _alias(client: Any, name: str, alias: str) -> Any:
    import mlflow

    try:
        return client.get_model_version_by_alias(name, alias)
    except mlflow.exceptions.MlflowException:
        return None


def _log_model(run_id: str, model: Path, answering: Answering, card: ModelCard | None) -> str:
    """Logs the pyfunc; returns its models:/ URI."""
    import mlflow

    import squadron

    package = Path(squadron.__file__).parent
    # The package itself travels with the model.
    serving = requirements.find_distributions("squadron.serving")
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
                python_model=str(package / "serving.py"),
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
