"""A model as MLflow keeps it: its folder, the code of this package, its requirements."""

import dataclasses
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

from squadron import requirements
from squadron.answers.answering import Answering
from squadron.answers.options import AnswerOptions
from squadron.errors import InputError
from squadron.models import model_folder
from squadron.reports import model_card
from squadron.reports.model_card import ModelCard

QUESTION, CONTEXT = "Who wrote it?", "Ada wrote it in 1843."
EXAMPLE = [{"question": QUESTION, "context": CONTEXT}], {"top_k": 2, "explain": False}
"""The input example of every model, with its params."""


def log_model(run_id: str, model: Path, answering: Answering, card: ModelCard | None) -> str:
    """Logs a model to a run as a pyfunc; returns its models:/ URI.

    Args:
        run_id: The run.
        model: A model folder.
        answering: How the model answers.
        card: The model card, stored with the model; None for none.
    """
    import mlflow
    from mlflow.models import Model

    with tempfile.TemporaryDirectory() as temporary:
        parts = _collect_parts(model, Path(temporary), answering, run_id, card)
        # `mlflow.pyfunc.log_model` calls this as well, but its `save_model` finds no params.
        flavor = SimpleNamespace(__name__="mlflow.pyfunc", save_model=_save)
        with mlflow.start_run(run_id=run_id):
            info = Model.log(None, flavor, name="model", validate_serving_input=False, **parts)
    return str(info.model_uri)


def save_model(place: Path, model: Path, answering: Answering) -> None:
    """Writes a model as `log_model` logs it, without a card, to a folder that does not exist yet.

    Args:
        place: The folder to write.
        model: A model folder.
        answering: How the model answers.
    """
    from mlflow.models import Model

    with tempfile.TemporaryDirectory() as temporary:
        parts = _collect_parts(model, Path(temporary), answering, "a trial", None)
        _save(str(place), Model(), **parts)


def check_answer(answer: object, name: str) -> None:
    """Refuses what a model gave to the trial question if that is no list of answers.

    Args:
        answer: What it gave.
        name: The model, for the message.

    Raises:
        InputError: If it is something else than an answer.
    """
    if not isinstance(answer, list) or set(answer[0]) < {"text", "score", "answered"}:
        raise InputError(f"The logged model {name} gave {answer!r} to a trial question")


def _collect_parts(
    model: Path, temporary: Path, answering: Answering, made_from: str, card: ModelCard | None
) -> dict[str, Any]:
    """Returns the arguments with which MLflow stores a model, and writes its folder.

    Args:
        model: A model folder.
        temporary: An empty folder, which must be there until MLflow has stored the model.
        answering: How the model answers.
        made_from: What the way of answering comes from, such as a run.
        card: The model card; None for none.
    """
    import squadron

    package = Path(squadron.__file__).parent
    # The files of this package are logged with the model; these are the packages of others.
    serving = requirements.find_distributions("squadron.serving.pyfunc")
    needed = serving | model_folder.find_requirements(model)
    folder = temporary / "model"
    shutil.copytree(model, folder)
    model_folder.keep_backbone(folder)
    model_folder.write_answering(folder, answering, made_from=made_from)
    if card:
        (folder / model_card.FILE).write_text(card.text, encoding="utf-8")
    return {
        "python_model": str(package / "serving/pyfunc.py"),
        "artifacts": {"model": str(folder)},
        "code_paths": [str(package)],
        "pip_requirements": requirements.pin(needed),
        "input_example": EXAMPLE,
    }


def _save(path: str, mlflow_model: Any, validate_serving_input: bool = False, **parts: Any) -> None:
    """Writes a model as a pyfunc whose signature has params.

    MLflow reads the signature from the types of `predict`. They say nothing of params, which it
    only takes from an example, where none may be null (mlflow/models/signature.py,
    `_infer_signature_from_type_hints`). So the params are added to the file.

    Args:
        path: The folder to write.
        mlflow_model: An empty `mlflow.models.Model`.
        validate_serving_input: Not used: registration asks the model the same afterwards.
        parts: What `_collect_parts` returns.
    """
    import mlflow
    from mlflow.models.model import MLMODEL_FILE_NAME

    mlflow.pyfunc.save_model(path=path, mlflow_model=mlflow_model, **parts)
    mlflow_model.signature.params = describe_params()
    mlflow_model.save(str(Path(path) / MLMODEL_FILE_NAME))


def describe_params() -> Any:
    """Returns the fields of `AnswerOptions` as MLflow's params, an `mlflow.types.ParamSchema`."""
    from mlflow.types import DataType, ParamSchema, ParamSpec

    type_of: dict[object, DataType] = {
        bool: DataType.boolean,
        int: DataType.long,
        float: DataType.double,
    }
    specs = []
    for field in dataclasses.fields(AnswerOptions):
        # `int | None` is an int that may be left out.
        kind = next(iter(get_args(field.type)), field.type)
        specs.append(ParamSpec(field.name, type_of[kind], field.default))
    return ParamSchema(specs)
