"""Reads a logged model back from the registry's files, and checks that it is what was logged.

MLflow marks a model as READY even if its files are damaged or its code can't answer.
"""

import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path

from squadron.answers.answering import Answering
from squadron.artifacts import ANSWERING, MODEL_ABOUT
from squadron.errors import InputError
from squadron.models import model_folder
from squadron.registry.logged_model import EXAMPLE, check_answer

_MODEL, _CODE = "artifacts/model", "code/squadron"
"""Where MLflow puts the model folder and the copy of this package."""


class DamagedError(InputError):
    """The stored bytes of a model are not those that were logged."""


def check_logged(uri: str, model: Path, answering: Answering, made_from: str) -> None:
    """Reads a model back that was just logged, compares every file, and asks the model a question.

    Args:
        uri: The logged model, as MLflow names it.
        model: The model folder that was logged.
        answering: How the model answers.
        made_from: What the way of answering comes from, as for `logged_model.log_model`.

    Raises:
        DamagedError: If a file is missing or altered.
        InputError: If the files can't be read, or the model does not answer.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = fetch_stored(uri, Path(temporary))
        compare_files(uri, folder, _list_logged(model, answering, made_from))
        _ask(uri, folder)


def check_version(uri: str) -> None:
    """Reads a version back, compares its files with its `variant.json`, and asks it a question.

    The same training on another machine may give other weights, so the version is not compared with
    a model folder.

    Args:
        uri: The version, as MLflow names it.

    Raises:
        DamagedError: If a file is missing or altered.
        InputError: If the files can't be read, or the model does not answer.
    """
    with tempfile.TemporaryDirectory() as temporary:
        folder = fetch_stored(uri, Path(temporary))
        if not (folder / _MODEL / MODEL_ABOUT).is_file():
            raise _damage(uri, f"{_MODEL}/{MODEL_ABOUT}")
        about = model_folder.read_about(folder / _MODEL)
        compare_files(uri, folder, {f"{_MODEL}/{name}": each for name, each in about.files.items()})
        _ask(uri, folder)


def fetch_stored(uri: str, temporary: Path) -> Path:
    """Downloads everything that MLflow stored of a model; returns the folder.

    Args:
        uri: The model or its version, as MLflow names it, or the place of its files.
        temporary: An empty folder.

    Raises:
        InputError: If the files can't be read.
    """
    import mlflow

    try:
        return Path(mlflow.artifacts.download_artifacts(uri, dst_path=str(temporary / "stored")))
    except (mlflow.exceptions.MlflowException, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"The stored files of {uri} can't be read back: {reason}") from error


def compare_files(uri: str, folder: Path, expected: Mapping[str, str]) -> None:
    """Compares stored files with those that were written.

    Args:
        uri: The model, for the message.
        folder: What was read back.
        expected: Path in the folder -> sha256.

    Raises:
        DamagedError: If a file is missing or altered.
    """
    for name, sha256 in expected.items():
        path = folder / name
        if not path.is_file() or _sha256(path) != sha256:
            raise _damage(uri, name)


def list_files(folder: Path, under: str = "") -> dict[str, str]:
    """Returns the sha256 of every file of a folder, by path; compiled Python files are left out.

    Args:
        folder: The folder.
        under: What every path begins with.
    """
    return {
        str(Path(under) / path.relative_to(folder)): _sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    }


def _ask(uri: str, folder: Path) -> None:
    """Asks a model that was read back its input example.

    Raises:
        InputError: If it gives something else than an answer.
    """
    import mlflow

    # The model was made in this environment, so MLflow need not compare its requirements with it.
    loaded = mlflow.pyfunc.load_model(str(folder), suppress_warnings=True)
    questions, params = EXAMPLE
    check_answer(loaded.predict(questions, params=params), uri)


def _damage(uri: str, name: str) -> DamagedError:
    return DamagedError(
        f"The file {name} of {uri} is missing or altered where MLflow keeps it; check the store of "
        "its files, and try again"
    )


def _list_logged(model: Path, answering: Answering, made_from: str) -> dict[str, str]:
    """Returns path -> sha256 of the files of a model that `log_model` gives to MLflow."""
    import squadron

    about = model_folder.read_about(model)
    files = {f"{_MODEL}/{name}": sha256 for name, sha256 in about.files.items()}
    files[f"{_MODEL}/{MODEL_ABOUT}"] = _sha256(model / MODEL_ABOUT)
    with tempfile.TemporaryDirectory() as temporary:
        model_folder.write_answering(Path(temporary), answering, made_from=made_from)
        files[f"{_MODEL}/{ANSWERING}"] = _sha256(Path(temporary) / ANSWERING)
    return files | list_files(Path(squadron.__file__).parent, _CODE)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
