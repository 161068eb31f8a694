"""What variants build on: a backbone's network with attention and dropout as they train fastest."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from squadron import backbones
from squadron.cpu_layers import register_attention, replace_dropout
from squadron.errors import InputError


@dataclass(frozen=True)
class Options:
    """What every trained variant may be told under `options`."""

    attention_dropout: float = 0.0
    """Dropout on attention weights. 0: it costs a third of the speed on CPUs and the memory of
    every attention matrix; dropout on hidden states stays as the backbone has it."""

    def __post_init__(self) -> None:
        """Refuses what is no probability."""
        if not 0 <= self.attention_dropout < 1:
            raise InputError(
                f"attention_dropout: {self.attention_dropout} is not allowed; 0 to below 1"
            )


def load_network(loader: Any, backbone: str, options: Options) -> Any:
    """A backbone's network, in fp32.

    Args:
        loader: An Auto class of transformers.
        backbone: As `backbones.locate` takes it.
        options: Of the variant.

    Raises:
        InputError: If the backbone can't be had.
    """
    from transformers import AutoConfig

    on_cpu = not torch.cuda.is_available()
    config = backbones.from_pretrained(AutoConfig, backbone)
    for name in ("attention_probs_dropout_prob", "attention_dropout"):
        if hasattr(config, name):
            setattr(config, name, options.attention_dropout)
    network = backbones.from_pretrained(
        loader,
        backbone,
        config=config,
        dtype=torch.float32,  # also where it is stored in half precision, which can't be trained
        attn_implementation=register_attention() if on_cpu else "sdpa",
        use_safetensors=True,
    )
    if on_cpu:
        replace_dropout(network)
    return network


def save_head(path: Path, head: dict[str, torch.Tensor]) -> None:
    """Writes what a variant adds to its network, as safetensors."""
    from safetensors.torch import save_file

    save_file({name: tensor.detach().contiguous() for name, tensor in head.items()}, path)


def load_head(path: Path, head: dict[str, torch.Tensor]) -> None:
    """Reads what `save_head` wrote into the tensors of a fresh model.

    Raises:
        InputError: If it is missing or of another model.
    """
    from safetensors.torch import load_file

    if not path.is_file():
        raise InputError(f"The weights {path} are missing; fetch the model again")
    saved = load_file(path)
    if {n: t.shape for n, t in saved.items()} != {n: t.shape for n, t in head.items()}:
        raise InputError(f"The weights in {path} are of another model; fetch the model again")
    with torch.no_grad():
        for name, tensor in saved.items():
            head[name].copy_(tensor)
