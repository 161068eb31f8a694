"""What variants build on: a backbone's network with attention and dropout as they train fastest."""

from dataclasses import dataclass
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
