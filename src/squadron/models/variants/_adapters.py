"""What LoRA and prompt tuning share: a frozen backbone, and an adapter of few trained weights.

A saved adapter consists of peft's own two files, the backbone's config.json and `backbone.json`. It
contains no weights of the backbone, only its name in the experiment. Whoever loads the adapter must
be able to get the same backbone. The offline default, hub names and s3:// prefixes can be loaded
anywhere; a local folder only where it is.

A registered adapter is served elsewhere, so `keep_backbone` adds a copy of the backbone, unless a
package brings it. Such an adapter loads its own copy.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import torch

from squadron.artifacts import read_record, write_record
from squadron.errors import InputError
from squadron.models import backbones
from squadron.models.batches import Batch
from squadron.models.cpu_layers import replace_dropout
from squadron.models.variants import span

WEIGHTS = "adapter_model.safetensors"
BACKBONE = "backbone.json"
KEPT_BACKBONE = "kept_backbone.json"
KEPT = "backbone"
"""Subfolder with the copy of the backbone, which only a registered adapter has."""


@dataclass(frozen=True)
class AdapterBackbone:
    """The content of `backbone.json`."""

    SCHEMA: ClassVar[str] = "adapter/1"

    made_from: str
    """The fingerprint of the backbone."""
    backbone: str
    """Its name in the experiment."""


@dataclass(frozen=True)
class KeptBackbone:
    """The content of `kept_backbone.json`."""

    SCHEMA: ClassVar[str] = "kept-backbone/1"

    made_from: str
    """The fingerprint of the backbone, as in `backbone.json`."""
    fingerprint: str
    """The fingerprint of the copy."""


class AdapterModel(span.SpanModel):
    """A question-answering model in which peft trains only an adapter and the head.

    Args:
        network: A peft.PeftModel.
        backbone: Its backbone, as the experiment names it.
    """

    def __init__(self, network: Any, backbone: str) -> None:
        super().__init__(network.get_base_model())
        self.network = network
        self._backbone = backbone
        self._fingerprint = backbones.fingerprint(backbone)
        if not torch.cuda.is_available():
            replace_dropout(network)

    def save(self, folder: Path) -> None:
        """Writes adapter_model.safetensors, adapter_config.json, backbone.json and config.json."""
        from safetensors.torch import save_file

        config = copy.copy(self.network.active_peft_config)
        # peft would write a path of this machine.
        config.base_model_name_or_path = self._backbone
        config.inference_mode = True
        if getattr(config, "target_modules", None):
            config.target_modules = sorted(config.target_modules)
        config.save_pretrained(folder)
        # transformers needs the backbone's configuration to load the tokenizer.
        self.network.get_base_model().config.save_pretrained(folder)
        save_file(self.tensors(), folder / WEIGHTS, metadata={"format": "pt"})
        write_record(folder / BACKBONE, AdapterBackbone(self._fingerprint, self._backbone))

    def span_network(self) -> Any:
        """Returns None: not every adapter can become a part of the network's own weights."""
        return None

    def tensors(self) -> dict[str, torch.Tensor]:
        """Returns the weights of the adapter and the head, under peft's names."""
        from peft import get_peft_model_state_dict

        tensors = get_peft_model_state_dict(self.network, save_embedding_layers=False)
        return {name: tensor.detach().contiguous() for name, tensor in tensors.items()}

    def _score(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        types = {"token_type_ids": batch.token_type_ids_BT} if self._takes_types else {}
        # peft's own forward drops token_type_ids (peft 0.21), so it is not called.
        output = self.network.get_base_model()(
            input_ids=batch.input_ids_BT, attention_mask=batch.attention_mask_BT, **types
        )
        return output.start_logits, output.end_logits


Adapted = TypeVar("Adapted", bound=AdapterModel)


def load_adapter(folder: Path, build: Callable[[str], Adapted]) -> Adapted:
    """Builds a model on the backbone that a saved adapter names, and loads the saved weights.

    Args:
        folder: The folder that AdapterModel.save wrote.
        build: Returns the model on a backbone.

    Raises:
        InputError: If the backbone can't be loaded or is not the one that the adapter was trained
            on, or if the weights do not fit the options.
    """
    from peft import set_peft_model_state_dict
    from safetensors.torch import load_file

    model = build(_find_backbone(folder))
    saved = load_file(folder / WEIGHTS)
    expected = {name: tensor.shape for name, tensor in model.tensors().items()}
    if {name: tensor.shape for name, tensor in saved.items()} != expected:
        raise InputError(
            f"The weights in {folder / WEIGHTS} are not those of its options; fetch the model again"
        )
    set_peft_model_state_dict(model.network, saved)
    return model


def _find_backbone(folder: Path) -> str:
    """Returns the backbone of a saved adapter: its own copy, else the backbone that it names.

    Raises:
        InputError: If it is not there, or is not the one that the adapter was trained on.
    """
    about = read_record(AdapterBackbone, folder / BACKBONE)
    if (folder / KEPT_BACKBONE).is_file():
        place = folder / KEPT
        kept = read_record(KeptBackbone, folder / KEPT_BACKBONE, made_from=about.made_from)
        if not place.is_dir() or backbones.fingerprint(str(place)) != kept.fingerprint:
            raise InputError(
                f"The backbone in {place} is missing or altered; fetch the model again"
            )
        return str(place)
    try:
        found = backbones.fingerprint(about.backbone)
    except InputError as error:
        raise InputError(f"The adapter in {folder} needs its backbone: {error}") from None
    if found != about.made_from:
        raise InputError(
            f"The adapter in {folder} was trained on another version of the backbone "
            f"{about.backbone!r} (fingerprint {about.made_from}, found {found}); restore that one "
            "or train again"
        )
    return about.backbone


def keep_backbone(folder: Path) -> None:
    """Copies the backbone of a saved adapter into its folder, unless a package brings it.

    The folder then loads where neither the hub nor the place of the backbone can be reached.

    Raises:
        InputError: As `load_adapter` does.
    """
    about = read_record(AdapterBackbone, folder / BACKBONE)
    if backbones.is_shipped(about.backbone) or (folder / KEPT_BACKBONE).is_file():
        return
    network = span.build(_find_backbone(folder), span.Options())
    (folder / KEPT).mkdir()
    network.save(folder / KEPT)
    fingerprint = backbones.fingerprint(str(folder / KEPT))
    write_record(folder / KEPT_BACKBONE, KeptBackbone(about.made_from, fingerprint))


def find_requirements(folder: Path) -> set[str]:
    """Returns the distribution that brings the backbone of a saved adapter, if there is one."""
    return backbones.find_requirements(read_record(AdapterBackbone, folder / BACKBONE).backbone)
