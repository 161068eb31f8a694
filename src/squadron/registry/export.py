"""Writes a model for programs that do not know this project: as transformers loads it, or as ONNX.

Both forms hold the network with its span head, the tokenizer, a card for a hub, and how the model
answers. An adapter is added to the weights of its backbone, which are then part of the files.
"""

import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from squadron.answers.answering import Answering
from squadron.artifacts import write_json
from squadron.config import Contender
from squadron.errors import InputError
from squadron.models import backbones, model_folder, onnx_graphs, starter, variants
from squadron.models.variants import champion
from squadron.registry import export_card
from squadron.registry.opening import OpenedModel

FORMATS = ("hf", "onnx")
READING = "reading.json"
"""How windows are cut and how long an answer may be."""


@dataclass(frozen=True)
class SpanNetwork:
    """The part of a model that transformers can express."""

    network: Any
    """Of AutoModelForQuestionAnswering."""
    tokenizer: Any
    contender: Contender
    answering: Answering | None
    drops_types: bool
    """Whether the model also tells types of questions, which are left out."""


def export(opened: OpenedModel, form: str, output: Path) -> None:
    """Writes a model in a form for others. The folder appears whole or not at all.

    Args:
        opened: The model.
        form: One of FORMATS.
        output: The folder to write; it must be missing or empty.

    Raises:
        InputError: If the model has no span head, the folder is in use, or a package is missing.
    """
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"The output {output} is not an empty folder; choose another one")
    found = read_network(opened)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=".export-") as temporary:
            folder = Path(temporary) / "whole"
            folder.mkdir()
            _write_files(found, opened, form, folder)
            if output.exists():
                output.rmdir()
            folder.rename(output)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(
            f"The output {output} can't be written: {reason}; choose another folder"
        ) from None


def read_network(opened: OpenedModel) -> SpanNetwork:
    """Loads the network of a model and its span head.

    Raises:
        InputError: If the answers of the model are not those of a span head.
    """
    if opened.folder == starter.FOLDER:
        contender = Contender("pretrained", backbone=starter.NAME)
        model = variants.load_variant(contender.variant).build(
            contender.backbone, variants.read_options(contender)
        )
        tokenizer = backbones.load_tokenizer(starter.NAME)
        answering = model_folder.read_answering(starter.FOLDER)
        return SpanNetwork(model.span_network(), tokenizer, contender, answering, False)
    answering = opened.read_answering()
    model_folder.check_files(opened.folder)
    folder = champion.find_original(opened.folder)
    contender = model_folder.read_about(folder).contender
    model = variants.load_variant(contender.variant).load(folder, variants.read_options(contender))
    network = model.span_network() if hasattr(model, "span_network") else None
    if network is None:
        raise InputError(
            f"The model {opened.name} is of the variant {contender.variant!r}, whose answers no "
            "span head of transformers gives; models of the variants lora, pretrained, reasoning "
            "and span can be exported"
        )
    tokenizer = backbones.load_tokenizer(str(folder))
    drops_types = not variants.serves_as_onnx(contender.variant)
    return SpanNetwork(network, tokenizer, contender, answering, drops_types)


def _write_files(found: SpanNetwork, opened: OpenedModel, form: str, folder: Path) -> None:
    """Writes all files of a form into an empty folder."""
    if form == "onnx":
        onnx_graphs.write_fp32(found.network, folder / model_folder.ONNX_FILES["onnx"])
        found.network.config.save_pretrained(folder)
    else:
        found.network.save_pretrained(folder)
    found.tokenizer.save_pretrained(folder)
    made_from = opened.version.uri if opened.version else opened.name
    if found.answering:
        model_folder.write_answering(folder, found.answering, made_from=made_from)
    contender = found.contender
    reading = {
        "windows": asdict(contender.windows),
        "max_answer_tokens": contender.predict.max_answer_tokens,
    }
    write_json(folder / READING, reading, schema="reading/1", made_from=made_from)
    if (opened.folder / model_folder.CONTEXT).is_file():
        shutil.copy(opened.folder / model_folder.CONTEXT, folder / model_folder.CONTEXT)
    card = export_card.write_card(
        opened, contender, found.answering, form, drops_types=found.drops_types
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
