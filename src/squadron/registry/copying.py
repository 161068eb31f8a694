"""Copies a version to another MLflow store: its files, its tags and description, its figures.

The copy is a run in the experiment EXPERIMENT of the other store, which has the files, and a
version of it. No alias is set here. A second copy of the same version finds the first one, and
continues it if its process was killed.
"""

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from squadron import tracking
from squadron.config import digest
from squadron.errors import InputError
from squadron.models import model_folder
from squadron.registry.registration import delete_version, ensure_model, version_of_run
from squadron.registry.stored_model import compare_files, fetch_stored, list_files
from squadron.registry.versions import Registered, find_version
from squadron.tracking import elections

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "squadron-copies"
"""The experiment of all copies, one run for each."""
COPIED_FROM, COPIED_RUN, COPIED_DIGEST = "copied_from", "copied_run", "copied_digest"
"""Tags of a copy: the version, its run, and a digest of its files, in the store it is from."""
_KEY_TAG = "squadron.copy"
_FILES = "model"
"""The folder of the run with the files of the version."""
_JUDGED = ("select/scores.parquet", "select/errors.parquet")
"""Files of the evaluation with which versions are compared."""
_PROMOTION_TAG = re.compile(r"previous_.*|.*_since")
_OWN_LINK = re.compile(r"\[([^\]]*)\]\(#/[^)]*\)")
"""A link to a page of the same MLflow server."""


@dataclass(frozen=True)
class _Source:
    """A version with everything that is copied."""

    version: Registered
    folder: Path
    """All files that MLflow stored of it."""
    files: dict[str, str]
    """Path -> sha256."""
    evaluation: Path
    """Some of `_JUDGED`."""
    description: str
    metrics: dict[str, float]
    run_name: str

    @property
    def tags(self) -> dict[str, str]:
        """The tags of the copy; those about promotions are not true elsewhere."""
        own = {k: v for k, v in self.version.tags.items() if not _PROMOTION_TAG.fullmatch(k)}
        return own | {
            COPIED_FROM: self.version.uri,
            COPIED_RUN: self.version.run_id,
            COPIED_DIGEST: digest(*(f"{name} {sha256}" for name, sha256 in self.files.items())),
        }


def is_copy(version: Registered, source: Registered) -> bool:
    """Says whether a version of another store was copied from a version of this one."""
    tags = version.tags
    return (tags.get(COPIED_FROM), tags.get(COPIED_RUN)) == (source.uri, source.run_id)


def copy_version(version: Registered, uri: str) -> Registered:
    """Copies a version to another MLflow store; returns the version there.

    The files are read back from the other store and compared before the version is created.

    Args:
        version: The version, in the present store.
        uri: The other store, as MLflow names it.

    Raises:
        InputError: If a store can't be used, or files are damaged.
    """
    with tempfile.TemporaryDirectory() as temporary:
        source = _read_source(version, Path(temporary))
        with tracking.use_store(uri):
            client = tracking.connect_existing()
            with tracking.explained():
                run_id = _fill_run(client, source, Path(temporary))
                number = _create_version(client, source, run_id)
            return find_version(version.name, number)


def _read_source(version: Registered, temporary: Path) -> _Source:
    """Downloads what is copied of a version, and checks the files of the model."""
    import mlflow

    client = tracking.connect_existing()
    (temporary / "source").mkdir()
    folder = fetch_stored(version.uri, temporary / "source")
    # MLflow adds this file to every download, with the name and the number of the version.
    (folder / "registered_model_meta").unlink(missing_ok=True)
    model_folder.check_files(folder / "artifacts" / "model")
    evaluation = temporary / "evaluation"
    for name in _JUDGED:
        place = evaluation / Path(name).parent
        place.mkdir(parents=True, exist_ok=True)
        try:
            mlflow.artifacts.download_artifacts(
                f"runs:/{version.run_id}/evaluation/{name}", dst_path=str(place)
            )
        except (mlflow.exceptions.MlflowException, OSError):
            continue  # Its run was deleted; it can't be compared here either.
    with tracking.explained():
        found = client.get_model_version(version.name, version.version)
        metrics, run_name = {}, f"{version.name} {version.version}"
        try:
            run = client.get_run(version.run_id)
            metrics, run_name = dict(run.data.metrics), str(run.info.run_name)
        except mlflow.exceptions.MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
    description = _OWN_LINK.sub(r"\1", found.description or "")
    files = list_files(folder)
    return _Source(version, folder, files, evaluation, description, metrics, run_name)


def _fill_run(client: "MlflowClient", source: _Source, temporary: Path) -> str:
    """Returns the run of a copy, with all files and figures; it is created if there is none."""
    from mlflow.entities import Metric

    key = digest(*(source.tags[name] for name in (COPIED_FROM, COPIED_RUN, COPIED_DIGEST)))
    experiment_id = tracking.find_or_create_experiment(client, EXPERIMENT)

    def create() -> None:
        note = f"The files and figures of {source.version.uri} of another MLflow store."
        tags = {_KEY_TAG: key, tracking.NOTE_TAG: note}
        made = client.create_run(experiment_id, run_name=source.run_name, tags=tags)
        client.set_terminated(made.info.run_id)

    wanted = f"tags.`{_KEY_TAG}` = '{key}'"
    run_id = elections.choose_run(client, experiment_id, wanted, create)
    if not _is_whole(source, run_id, temporary / "before"):
        client.log_artifacts(run_id, str(source.folder), _FILES)
        _read_back(source, run_id, temporary / "after")
    if any(path.is_file() for path in source.evaluation.rglob("*")):
        client.log_artifacts(run_id, str(source.evaluation), "evaluation")
    known = client.get_run(run_id)
    missing = [
        # The same time in every try makes a repeated figure the same figure.
        Metric(name, value, known.info.start_time, 0)
        for name, value in source.metrics.items()
        if name not in known.data.metrics
    ]
    for first in range(0, len(missing), 1000):  # MLflow's limit for one call
        client.log_batch(run_id, metrics=missing[first : first + 1000])
    return run_id


def _is_whole(source: _Source, run_id: str, temporary: Path) -> bool:
    """Says whether an earlier copy has left all files in its run."""
    try:
        _read_back(source, run_id, temporary)
    except InputError:
        return False
    return True


def _read_back(source: _Source, run_id: str, temporary: Path) -> None:
    """Downloads the files of a run and compares them with those of the source.

    Raises:
        InputError: If a file is missing or altered.
    """
    temporary.mkdir()
    place = f"runs:/{run_id}/{_FILES}"
    compare_files(place, fetch_stored(place, temporary), source.files)


def _create_version(client: "MlflowClient", source: _Source, run_id: str) -> str:
    """Returns the number of the version of a copy, which is created if there is none."""
    name = source.version.name
    found: Any = version_of_run(client, name, run_id)
    if found is None:
        ensure_model(client, name)
        made = elections.persist(
            client.create_model_version,
            name,
            f"{client.get_run(run_id).info.artifact_uri}/{_FILES}",
            run_id=run_id,
            tags=source.tags,
            description=source.description,
            await_creation_for=0,  # MLflow would say that it waits; its own stores never do.
        )
        # Another process may have copied the same version at the same time.
        found = version_of_run(client, name, run_id) or made
        if str(found.version) != str(made.version):
            delete_version(client, name, str(made.version))
    return str(found.version)
