"""LoRA: adds trained low-rank matrices to attention projections and freezes the backbone.

The head is trained, too. LoRA needs a higher learning rate than full fine-tuning: 1e-3 or more on
small backbones.

Source: Hu et al. 2021 (arXiv:2106.09685), implemented by the library peft.
"""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from squadron.errors import InputError
from squadron.models.variants import span
from squadron.models.variants._adapters import (
    AdapterModel,
    find_requirements,
    keep_backbone,
    load_adapter,
)
from squadron.models.variants._networks import head_names

TRAINS = True
NAMES_BACKBONE = True
SERVES_AS_ONNX = True

__all__ = [
    "NAMES_BACKBONE",
    "SERVES_AS_ONNX",
    "TRAINS",
    "Options",
    "build",
    "find_requirements",
    "keep_backbone",
    "load",
]

QUERY_AND_VALUE = (
    ("query", "value"),  # bert, roberta, xlm-roberta, camembert, electra, albert, ernie
    ("q_lin", "v_lin"),  # distilbert
    ("query_proj", "value_proj"),  # deberta-v2 and v3
    ("q_proj", "v_proj"),  # bart
    ("q", "v"),  # mpnet
    ("in_proj",),  # deberta: query, key and value in one
    ("Wqkv",),  # modernbert: the same
)
"""Names that encoders of transformers use for query and value, which LoRA changes by default (4.2
and 7.1 of the paper). The first entry of which a backbone has all names is used."""


@dataclass(frozen=True)
class Options(span.Options):
    """What an experiment may set under `options`."""

    rank: int = 16
    """Rank of the added matrices."""
    alpha: int = 32
    """The added matrices are scaled by alpha / rank."""
    dropout: float = 0.05
    """Dropout on the input of the added matrices."""
    targets: tuple[str, ...] = ()
    """Names of the linear layers to add to. If empty: query and value of every layer."""

    def __post_init__(self) -> None:
        """Refuses values that peft would fail on later."""
        super().__post_init__()
        if self.rank < 1:
            raise InputError(f"rank: {self.rank} is not allowed; 1 or more")
        if self.alpha <= 0:
            raise InputError(f"alpha: {self.alpha} is not allowed; above 0")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout: {self.dropout} is not allowed; 0 to below 1")


class LoraModel(AdapterModel):
    """A frozen backbone with low-rank matrices added to it."""

    def span_network(self) -> Any:
        """Returns a copy of the network with the matrices added to its weights, without peft."""
        return copy.deepcopy(self.network).merge_and_unload()


def build(backbone: str, options: Options) -> LoraModel:
    """Returns the frozen backbone with added matrices that have no effect yet.

    The head is the backbone's own, or a new one if it has none.

    Raises:
        InputError: If the backbone does not have the targets; the message lists its linear layers.
    """
    from peft import LoraConfig, TaskType, get_peft_model

    network = span.build(backbone, options).network
    config = LoraConfig(
        task_type=TaskType.QUESTION_ANS,
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules=list(find_targets(network, options.targets, backbone)),
        # peft itself adds "qa_outputs", the name of most heads.
        modules_to_save=[name for name in head_names(network) if name != "qa_outputs"],
        bias="none",
    )
    return LoraModel(get_peft_model(network, config), backbone)


def load(folder: Path, options: Options) -> LoraModel:
    """Returns a saved model on the backbone that it names; see `_adapters.load_adapter`.

    The added matrices are multiplied and added to those of the backbone, so that prediction costs
    no more than that of the backbone alone.
    """
    model = load_adapter(folder, lambda backbone: build(backbone, options))
    model.network.merge_adapter()
    return model


def find_targets(network: Any, asked: tuple[str, ...], backbone: str) -> tuple[str, ...]:
    """Returns the names of the layers to add to.

    Args:
        network: A question-answering network of transformers.
        asked: Names, or ends of dotted names, of linear layers; if empty, query and value.
        backbone: The name that messages show.

    Raises:
        InputError: If one of them does not exist.
    """
    heads = head_names(network)
    layers = [
        name
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Linear) and name.partition(".")[0] not in heads
    ]
    names = {name.rpartition(".")[2] for name in layers}
    known = ", ".join(sorted(names))
    for target in asked:
        if not any(f".{name}".endswith(f".{target}") for name in layers):
            raise InputError(
                f"targets: {target!r} is no linear layer of {backbone!r}; it has: {known}"
            )
    usual = [some for some in QUERY_AND_VALUE if names.issuperset(some)]
    if not asked and not usual:
        raise InputError(
            f"targets: the query and value layers of {backbone!r} are not known; name some of: "
            f"{known}"
        )
    return asked or usual[0]
