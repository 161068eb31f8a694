"""Writes and reads model folders: weights, tokenizer, `variant.json` and `trained_on.json`.

The folder of a model whose questions all share one context also has that context, in `context.txt`.
"""

import hashlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from squadron import requirements
from squadron.answers.answering import Answering
from squadron.artifacts import (
    ANSWERING,
    MODEL_SCHEMA,
    from_content,
    read_json,
    write_json,
    write_record,
)
from squadron.artifacts import MODEL_ABOUT as ABOUT
from squadron.config import TORCH, Contender
from squadron.errors import InputError
from squadron.models import backbones, trained_on, variants
from squadron.models.training_summary import TrainingSummary, keep_known

ONNX_FILES = {"onnx": "model.onnx", "onnx-int8": "model.int8.onnx"}
"""The file from which a model is served in each format but torch."""
CONTEXT = "context.txt"
"""The context that all questions share with which a model was trained and judged."""


@dataclass(frozen=True)
class ModelAbout:
    """The content of `variant.json`."""

    SCHEMA: ClassVar[str] = MODEL_SCHEMA

    made_from: str
    contender: Contender
    training: TrainingSummary
    disqualified: str = ""
    """Why there is no model; "" if there is one."""
    files: dict[str, str] = field(default_factory=dict)
    """File of the folder -> its sha256."""
    serving_format: str = TORCH
    """The format in which the model answers, one of `config.SERVING_FORMATS`."""


@dataclass(frozen=True)
class LoadedModel:
    """A model folder in memory."""

    model: Any
    tokenizer: Any
    contender: Contender
    about: ModelAbout
    answering: Answering | None
    """None if the model is not registered."""


def write_model(
    folder: Path,
    model: Any,
    tokenizer: Any,
    contender: Contender,
    *,
    made_from: str,
    training: TrainingSummary = TrainingSummary(),  # noqa: B008  it is frozen
    record: trained_on.Record = trained_on.UNKNOWN,
    context: str = "",
) -> None:
    """Writes a model folder. `variant.json`, with the sha256 of every file, is written last.

    Args:
        folder: The folder to write.
        model: A variant's model.
        tokenizer: The model's tokenizer from transformers.
        contender: The contender whose model it is.
        made_from: The digest of all that shapes the model.
        training: What is kept of the training.
        record: What the model was trained on.
        context: The context that all questions of the race share; "" if there are several.
    """
    folder.mkdir(parents=True, exist_ok=True)
    trained_on.write_record(folder, record, made_from=made_from)
    if context:
        # Written as bytes, because characters are counted with line ends as they are.
        (folder / CONTEXT).write_bytes(context.encode())
    model.save(folder)
    tokenizer.save_pretrained(folder)
    # Registration replaces the way of answering that a champion brought.
    changing = (folder / ABOUT, folder / ANSWERING)
    files = {
        str(path.relative_to(folder)): digest_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path not in changing
    }
    write_record(folder / ABOUT, ModelAbout(made_from, contender, training, files=files))


def write_disqualified(
    folder: Path, contender: Contender, reason: str, *, made_from: str, training: TrainingSummary
) -> None:
    """Writes `variant.json` alone, with the reason why a contender has no model."""
    write_record(folder / ABOUT, ModelAbout(made_from, contender, training, reason))


def read_about(folder: Path) -> ModelAbout:
    """Reads `variant.json` of a model folder, also one that an earlier version wrote.

    Raises:
        InputError: If it is missing or damaged.
    """
    path = folder / ABOUT
    content = read_json(path, schema=MODEL_SCHEMA)
    if isinstance(training := content.get("training"), dict):
        content["training"] = keep_known(training)
    try:
        return from_content(ModelAbout, content)
    except InputError as error:
        raise InputError(f"The file {path} is damaged: {error}") from None


def write_answering(folder: Path, answering: Answering, *, made_from: str) -> None:
    """Writes how a model answers, which makes its folder the folder of a registered model."""
    write_json(folder / ANSWERING, asdict(answering), schema="answering/1", made_from=made_from)


def read_answering(folder: Path) -> Answering | None:
    """Reads how a registered model answers; None if the model is not registered."""
    path = folder / ANSWERING
    return Answering.read(read_json(path, schema="answering/1")) if path.is_file() else None


def read_context(folder: Path) -> str:
    """Reads the context that all questions of the model's race shared; "" if there is none."""
    path = folder / CONTEXT
    return path.read_bytes().decode() if path.is_file() else ""


def load_model(folder: Path) -> LoadedModel:
    """Loads a model folder after checking every file.

    Raises:
        InputError: If it is not a model folder, a file is missing or altered, or the contender was
            disqualified.
    """
    about = check_files(folder)
    contender = about.contender
    model = load_network(folder, about)
    tokenizer = backbones.load_tokenizer(str(folder))
    return LoadedModel(model, tokenizer, contender, about, read_answering(folder))


def load_network(folder: Path, about: ModelAbout) -> Any:
    """Loads what scores windows: a variant's model, or an ONNX file if the model is served so.

    Args:
        folder: A model folder.
        about: The content of its `variant.json`.

    Raises:
        InputError: If it can't be loaded.
    """
    if about.serving_format in ONNX_FILES:
        from squadron.models.onnx_scorer import OnnxScorer

        path = folder / ONNX_FILES[about.serving_format]
        return OnnxScorer(path, one_by_one=about.serving_format == "onnx-int8")
    contender = about.contender
    variant = variants.load_variant(contender.variant)
    return variant.load(folder, variants.read_options(contender))


def check_files(folder: Path) -> ModelAbout:
    """Checks every file that `variant.json` lists, and returns its content.

    Raises:
        InputError: As `load_model` does.
    """
    about = read_about(folder)
    if about.disqualified:
        raise InputError(f"The model in {folder} was disqualified: {about.disqualified}")
    for name, sha256 in about.files.items():
        path = folder / name
        if not path.is_file() or digest_file(path) != sha256:
            raise InputError(f"The model file {path} is missing or altered; fetch the model again")
    return about


def find_requirements(folder: Path) -> set[str]:
    """Returns the distributions that must be installed to load a model folder.

    Args:
        folder: A folder with a model; its contender was not disqualified.
    """
    about = read_about(folder)
    own = requirements.find_distributions(__name__)
    if about.serving_format in ONNX_FILES:
        return own | {"onnxruntime"}
    return own | variants.find_requirements(about.contender.variant, folder)


def keep_backbone(folder: Path) -> None:
    """Adds to a model folder what it needs to be loaded anywhere: the backbone of an adapter.

    Raises:
        InputError: If the backbone can't be loaded.
    """
    variants.keep_backbone(read_about(folder).contender.variant, folder)


def digest_file(path: Path) -> str:
    """Returns the sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
