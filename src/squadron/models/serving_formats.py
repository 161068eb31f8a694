"""The formats in which a model can be served: as torch runs it, or as an ONNX file.

A model folder always has the weights that torch loads. Another format is one more file beside them,
and `variant.json` says which is used.
"""

import shutil
from dataclasses import replace
from pathlib import Path

from squadron.artifacts import MODEL_ABOUT, write_record
from squadron.config import TORCH
from squadron.errors import InputError
from squadron.models import model_folder, variants
from squadron.models.model_folder import ONNX_FILES, ModelAbout


def convert(source: Path, target: Path, serving_format: str) -> Path:
    """Copies a model folder and makes the copy be served in a format.

    Args:
        source: A model folder, which is not changed.
        target: The folder to write, which does not exist yet.
        serving_format: One of `config.SERVING_FORMATS`.

    Returns:
        The copy.

    Raises:
        InputError: If the model has no span head, a package is missing, or its architecture can't
            be converted.
    """
    shutil.copytree(source, target)
    about = model_folder.read_about(target)
    for name in ONNX_FILES.values():
        (target / name).unlink(missing_ok=True)
    kept = {name: sha for name, sha in about.files.items() if name not in ONNX_FILES.values()}
    about = replace(about, files=kept, serving_format=TORCH)
    write_record(target / MODEL_ABOUT, about)
    if serving_format == TORCH:
        return target
    path = target / ONNX_FILES[serving_format]
    _write_file(target, path, serving_format)
    files = kept | {path.name: model_folder.digest_file(path)}
    done: ModelAbout = replace(about, files=files, serving_format=serving_format)
    write_record(target / MODEL_ABOUT, done)
    return target


def served_bytes(folder: Path) -> int:
    """Returns the size of all weights of a model when it is served, those of a backbone included.

    An adapter is added to its backbone, so the size of its own file would say little.
    """
    name = ONNX_FILES.get(model_folder.read_about(folder).serving_format, "")
    if name:
        return (folder / name).stat().st_size
    return sum(int(each.nbytes) for each in model_folder.load_model(folder).model.parameters())


def _write_file(folder: Path, path: Path, serving_format: str) -> None:
    """Writes the ONNX file of the model in a folder."""
    from squadron.models import onnx_graphs

    loaded = model_folder.load_model(folder)
    if not variants.serves_as_onnx(loaded.contender.variant):
        raise InputError(
            f"The variant {loaded.contender.variant!r} can't be served as {serving_format}, "
            "because its answers are not those of a span head alone; set serving.format to torch"
        )
    network = loaded.model.span_network()
    if serving_format == "onnx":
        onnx_graphs.write_fp32(network, path)
    else:
        onnx_graphs.write_int8(network, path, loaded.tokenizer)
