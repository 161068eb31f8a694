"""The versions of registered models: finding, promoting and downloading them, tags and aliases.

`registration` creates the versions.
"""

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from squadron import tracking
from squadron.artifacts import MODEL_ABOUT
from squadron.config import digest
from squadron.errors import InputError
from squadron.models import model_folder
from squadron.models.model_names import CHAMPION_ALIASES
from squadron.tracking import elections

CANDIDATE = "candidate"
"""The alias that a race gives to the model that won."""
STAGING = "staging"
"""An alias that a person gives with `squadron promote`, or a race whose experiment says so."""
PRODUCTION = "production"
"""An alias that only a person gives."""


@dataclass(frozen=True)
class Registered:
    """A version of a registered model."""

    name: str
    version: str
    tags: dict[str, str]
    run_id: str
    """The run that made the version."""
    previous: str = ""
    """The version that `candidate` pointed at before a race moved it here; "" if none moved it."""
    registered_ms: int = field(default=0, compare=False)
    """When it was registered, in milliseconds since 1970; 0 if that was not asked."""

    @property
    def uri(self) -> str:
        """The version as MLflow names it, such as models:/squadron-example/3."""
        return f"models:/{self.name}/{self.version}"


def fingerprint(version: Registered) -> str:
    """Returns a digest of a version's name, number and run.

    The run is part of it, because version 1 in another store is another model.
    """
    return digest(version.uri, version.run_id)


def promote(name: str, version: str, alias: str) -> str:
    """Points an alias at a version, and tags it with the version that it replaces.

    A race does so with `candidate`. A person's promotion goes through `promotions.move_alias`,
    which records who did it and why.

    Returns:
        The version that the alias pointed at before; "" if it was none or the same.

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
    """Finds a version by its number or alias.

    Raises:
        InputError: If there is no such version. It lists the versions that the model has.
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
    return _read_version(found)


def search_versions(name: str) -> list[Registered]:
    """Returns all versions of a model, the last one first; [] if there is no such model.

    Raises:
        InputError: If the store can't be used.
    """
    client = tracking.connect_existing()
    wanted = f"name = '{name}'"
    with tracking.explained():
        found = tracking.read_all(
            lambda token: client.search_model_versions(wanted, page_token=token)
        )
    return sorted(map(_read_version, found), key=lambda each: -int(each.version))


def find_champion(name: str) -> Registered | None:
    """Returns the version with the first alias of `CHAMPION_ALIASES` that is set; None without one.

    Raises:
        InputError: If the store can't be reached.
    """
    if not tracking.has_store():
        return None
    client = tracking.connect_existing()
    with tracking.explained():
        # The model is searched by its name, because MLflow's error for a missing alias can't be
        # told from other errors.
        for model in client.search_registered_models(f"name = '{name}'"):
            for alias in CHAMPION_ALIASES:
                if alias in model.aliases:
                    return find_version(name, str(model.aliases[alias]))
    return None


def keep_version(name: str, version: str) -> Registered:
    """Gives an existing version the alias `candidate`; its tags stay those of the race it won."""
    previous = promote(name, version, CANDIDATE)
    return replace(find_version(name, version), previous=previous)


def list_aliases(name: str) -> dict[str, str]:
    """Returns a model's aliases, each with its version; {} if there is no such model.

    Raises:
        InputError: If the store can't be reached.
    """
    client = tracking.connect()
    with tracking.explained():
        for model in client.search_registered_models(f"name = '{name}'"):
            return {alias: str(version) for alias, version in model.aliases.items()}
    return {}


def list_models() -> list[str]:
    """Returns the names of all registered models, the last changed first."""
    client = tracking.connect_existing()
    with tracking.explained():
        models = client.search_registered_models()
    return [m.name for m in sorted(models, key=lambda m: -m.last_updated_timestamp)]


def choose_model(name: str = "") -> str:
    """Returns the name of a registered model; for "" the one that was registered or changed last.

    Raises:
        InputError: If there is no such model. It lists those that there are.
    """
    if not name:
        return latest_model()
    known = list_models()
    if name not in known:
        raise InputError(
            f"The model {name!r} is not registered in {tracking.shown_store()}; "
            + (f"give one of: {', '.join(known)}" if known else "no model is: run `make run` first")
        )
    return name


def latest_model() -> str:
    """Returns the name of the model that was registered or changed last.

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
    """Downloads the model folder of a version into a folder; returns the path of the model."""
    import mlflow

    with tracking.explained():
        place = mlflow.artifacts.download_artifacts(
            f"{registered.uri}/artifacts", dst_path=str(folder)
        )
    return Path(place) / "model"


def read_about(registered: Registered) -> model_folder.ModelAbout:
    """Returns the content of a version's `variant.json`. No other file is downloaded.

    Raises:
        InputError: If the file is missing or can't be downloaded.
    """
    import mlflow

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
    """Sets a tag of a version; another process may set it at the same time."""
    elections.persist(client.set_model_version_tag, name, version, key, value)


def point_alias(client: Any, name: str, alias: str, version: str) -> None:
    """Points an alias at a version; another process may do so at the same time."""
    elections.persist(client.set_registered_model_alias, name, alias, version)


def _read_version(found: Any) -> Registered:
    """Returns a version from what MLflow returns."""
    return Registered(
        str(found.name),
        str(found.version),
        dict(found.tags),
        str(found.run_id or ""),
        registered_ms=int(found.creation_timestamp),
    )


def find_alias(client: Any, name: str, alias: str) -> Any:
    """Returns the version that an alias points at; None if there is no such alias."""
    import mlflow

    try:
        return client.get_model_version_by_alias(name, alias)
    except mlflow.exceptions.MlflowException:
        return None
