"""Opens a model that a person names: a folder, an s3:// prefix, a registered version, the starter.

Owns what names are allowed. `versions` finds registered versions, `reader` answers questions.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from squadron import storage, tracking
from squadron.answers.answering import Answering
from squadron.artifacts import MODEL_ABOUT, read_record
from squadron.errors import InputError
from squadron.models import model_folder, starter
from squadron.models.model_names import read_model_name
from squadron.registry import versions
from squadron.scores.contender_result import ContenderResult

if TYPE_CHECKING:
    from squadron.reader import Reader


@dataclass(frozen=True)
class OpenedModel:
    """A model whose files are on this machine."""

    folder: Path
    """The model folder."""
    name: str
    """The name for people: "squadron-example version 3", or the place of the folder."""
    version: versions.Registered | None
    """The registered version; None for a model folder and for the starter."""

    def load_reader(self) -> "Reader":
        """Loads the model. It answers with the settings that it was registered or judged with.

        Raises:
            InputError: If the folder is no complete model folder.
        """
        # This imports torch, which takes seconds; a wrong name is refused before.
        from squadron.reader import Reader

        if self.folder == starter.FOLDER:
            return Reader.load_starter()
        return Reader.load(self.folder, _find_answering(self.folder))

    @property
    def index_place(self) -> str:
        """Where its race left the index with which it was judged; "" without one."""
        return self.version.tags.get("index_place", "") if self.version else ""

    def read_answering(self) -> Answering | None:
        """Returns how the model answers; None if neither registration nor a race settled it."""
        return model_folder.read_answering(self.folder) or _find_answering(self.folder)

    def read_context(self) -> str:
        """Returns the context that the model keeps from its race; "" if it keeps none.

        A model keeps it if all questions of its race shared one context. `load_reader` checks that
        its file is unchanged.
        """
        return model_folder.read_context(self.folder)


@contextlib.contextmanager
def open_model(model: str = "", version: str = "") -> Iterator[OpenedModel]:
    """Yields a model whose files are on this machine; downloaded files are removed at the end.

    Args:
        model: A model folder, its s3:// prefix, models:/NAME/VERSION, models:/NAME@ALIAS, the name
            of a registered model, a version or alias of the model that was registered last, or
            "starter". "" means the model that was registered last; where none is registered, the
            starter.
        version: The version or alias, used if `model` names none. "" means the alias staging; where
            no version has it, production, and where none has that, candidate.

    Raises:
        InputError: If there is no such model.
    """
    with tempfile.TemporaryDirectory() as temporary:
        yield find_model(model, version, Path(temporary))


def find_model(model: str, version: str, temporary: Path) -> OpenedModel:
    """Returns a model, and fetches its files if they are not on this machine.

    Args:
        model: The model, as for `open_model`.
        version: The version or alias, as for `open_model`.
        temporary: An empty folder for the files.

    Raises:
        InputError: If there is no such model.
    """
    if model == starter.NAME:
        return OpenedModel(starter.FOLDER, "the starter reader", None)
    if not is_place(model):
        chosen = find_named_version(model, version)
        if chosen is None:
            name = "the starter reader, as no model is registered yet"
            return OpenedModel(starter.FOLDER, name, None)
        return fetch_version(chosen, temporary)
    place = model if storage.is_remote(model) else str(Path(model).expanduser())
    folder = storage.fetch_folder(place, temporary / "model")
    if not (folder / MODEL_ABOUT).is_file():
        raise InputError(
            f"The folder {model} has no {MODEL_ABOUT}, so it is no model of a race; give "
            "the folder `model` of a contender's results, or a registered model such as "
            "models:/squadron-example@candidate"
        )
    return OpenedModel(folder, model, None)


def fetch_version(version: versions.Registered, temporary: Path) -> OpenedModel:
    """Returns a registered version, and fetches its files into an empty folder."""
    folder = versions.fetch_model(version, temporary)
    return OpenedModel(folder, f"{version.name} version {version.version}", version)


def is_place(model: str) -> bool:
    """Says whether a model is the starter, a folder or an s3:// prefix, which needs no MLflow."""
    if model == starter.NAME:
        return True
    return bool(model) and (storage.is_remote(model) or Path(model).expanduser().is_dir())


def load_reader(model: str = "", version: str = "") -> "Reader":
    """Loads a model, which is then ready to answer.

    Args:
        model: The model, as for `open_model`.
        version: The version or alias, as for `open_model`.

    Raises:
        InputError: If there is no such model, or it can't be loaded.
    """
    with open_model(model, version) as opened:
        return opened.load_reader()


def _find_answering(folder: Path) -> Answering | None:
    """Returns how a model answers, from the folder `evaluation` beside the model's folder.

    Returns:
        What the model's race settled; None if there is no such folder, or it settled nothing.
    """
    path = folder.parent / "evaluation" / "metrics.json"
    if not path.is_file():
        return None
    made_from = model_folder.read_about(folder).made_from
    found = read_record(ContenderResult, path, made_from=made_from)
    return None if found.disqualified else found.answering


def find_named_version(model: str, version: str) -> versions.Registered | None:
    """Finds the registered version that `model` and `version` name, as for `open_model`.

    Returns:
        The version; None if `model` names none and no model is registered.

    Raises:
        InputError: If there is no such version.
    """
    named = read_model_name(model)
    if named:
        return versions.find_version(named.name, named.version_or_alias)
    if "/" in model:
        raise InputError(
            f"The model folder {model} does not exist; give a model folder, models:/NAME@ALIAS or "
            "the name of a registered model"
        )
    if not model and not tracking.has_store():
        return None
    known = versions.list_models()
    if not model and not known:
        return None
    if model and known and model not in known:
        aliases = (versions.CANDIDATE, versions.STAGING, versions.PRODUCTION)
        is_version = model.isdigit() or model in aliases
        if not is_version:
            raise InputError(
                f"The model {model!r} is neither a folder nor registered; give a model folder or "
                f"one of: {', '.join(known)}"
            )
        return versions.find_version(known[0], model)
    # `latest_model` refuses where no model is registered.
    latest = known[0] if known else versions.latest_model()
    name = model if model in known else latest
    if version:
        return versions.find_version(name, version)
    # `find_version` says in a sentence that there is neither alias.
    return versions.find_champion(name) or versions.find_version(name, versions.CANDIDATE)
