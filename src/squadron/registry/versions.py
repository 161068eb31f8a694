"""The versions of registered models: their files, tags, aliases and promotion."""

import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from squadron import tracking
from squadron.artifacts import MODEL_ABOUT
from squadron.config import digest
from squadron.errors import InputError
from squadron.models import model_folder
from squadron.tracking import elections

CANDIDATE = "candidate"
STAGING = "staging"


@dataclass(frozen=True)
class Registered:
    """A version in the registry."""

    name: str
    version: str
    tags: dict[str, str]
    run_id: str
    previous: str = ""
    """The version that `candidate` pointed at before it came to this one, where a race moved it."""

    @property
    def uri(self) -> str:
        """As MLflow names it."""
        return f"models:/{self.name}/{self.version}"


def fingerprint(version: Registered) -> str:
    """A digest of a version's identity.

    It counts the run that made the version: version 1 of another store is another model.
    """
    return digest(version.uri, version.run_id)


def promote(name: str, version: str, alias: str) -> str:
    """Points an alias at a version and remembers which version it replaces, for rollback.

    Returns:
        The version that the alias pointed at before, "" if none or the same.

    Raises:
        InputError: If there is no such model or version.
    """
    client = tracking.connect_existing()
    chosen = find_version(name, version)
    with tracking.explained():
        found = find_alias(client, name, alias)
        # A sqlite store gives numbers, a server text.
        previous = str(found.version) if found and str(found.version) != chosen.version else ""
        if previous:
            tag_version(client, name, chosen.version, f"previous_{alias}", previous)
        point_alias(client, name, alias, chosen.version)
    return previous


def find_version(name: str, version_or_alias: str) -> Registered:
    """A version by its number or alias.

    Raises:
        InputError: If there is none, with the ones there are.
    """
    import mlflow

    client = tracking.connect_existing()
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
    if not tracking.has_store():
        return None
    client = tracking.connect_existing()
    with tracking.explained():
        # By name alone: asking for an alias that is not there is an error like any other.
        for model in client.search_registered_models(f"name = '{name}'"):
            for alias in (STAGING, CANDIDATE):
                if alias in model.aliases:
                    return find_version(name, str(model.aliases[alias]))
    return None


def keep_version(name: str, version: str) -> Registered:
    """Gives a version that is there the alias `candidate`; its tags stay those of its own race."""
    previous = promote(name, version, CANDIDATE)
    return replace(find_version(name, version), previous=previous)


def list_aliases(name: str) -> dict[str, str]:
    """The aliases of a model, each with the version that it points at; none without the model.

    Raises:
        InputError: If the store can't be reached.
    """
    client = tracking.connect()
    with tracking.explained():
        for model in client.search_registered_models(f"name = '{name}'"):
            return {alias: str(version) for alias, version in model.aliases.items()}
    return {}


def list_models() -> list[str]:
    """The names of all registered models, last changed first."""
    client = tracking.connect_existing()
    with tracking.explained():
        models = client.search_registered_models()
    return [m.name for m in sorted(models, key=lambda m: -m.last_updated_timestamp)]


def latest_model() -> str:
    """The name of the model that was registered or changed last.

    Raises:
        InputError: If none is registered.
    """
    names = list_models()
    if not names:
        raise InputError(
            f"No model is registered in {tracking.shown_store()}; run `make run` first"
        )
    return names[0]


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


def tag_version(client: Any, name: str, version: str, key: str, value: str) -> None:
    """Sets a tag of a version, also while another process sets it."""
    elections.persist(client.set_model_version_tag, name, version, key, value)


def point_alias(client: Any, name: str, alias: str, version: str) -> None:
    """Points an alias at a version, also while another process points it."""
    elections.persist(client.set_registered_model_alias, name, alias, version)


def find_alias(client: Any, name: str, alias: str) -> Any:
    """The version that an alias points at; None if it points at none."""
    import mlflow

    try:
        return client.get_model_version_by_alias(name, alias)
    except mlflow.exceptions.MlflowException:
        return None
