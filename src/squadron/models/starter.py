"""The starter reader: a small adapter of this project that teaches the offline backbone to read.

Owns the files in `squadron/starter`: the adapter (LoRA on all linear layers, and the QA head) in
the layout of the library peft, the record of what it was trained on, how it answers, and its card.
`backbones` loads the offline backbone and adds the adapter to it here, without peft.
"""

import json
from pathlib import Path
from typing import Any

from squadron.errors import InputError

NAME = "starter"
"""The name of the starter as a backbone."""
FOLDER = Path(__file__).resolve().parents[1] / "starter"
"""The files of the starter, which are part of the package."""
WEIGHTS = "adapter_model.safetensors"
LICENCE = "CC-BY-SA-4.0 (the adapter), Apache-2.0 (all-MiniLM-L6-v2)"
_PREFIX = "base_model.model."
"""How peft's names of weights begin."""


def merge(network: Any) -> Any:
    """Adds the adapter to a network, in place, and returns the network.

    A layer with the weights W gets W + alpha / rank * B A, as LoRA defines it (Hu et al. 2021,
    arXiv:2106.09685). The head gets the adapter's weights.

    Args:
        network: A BertForQuestionAnswering with the weights of the offline backbone, in fp32.

    Raises:
        InputError: If the files of the starter are missing or are not those of this network.
    """
    import torch
    from safetensors.torch import load_file

    try:
        settings = json.loads((FOLDER / "adapter_config.json").read_text(encoding="utf-8"))
        saved = load_file(FOLDER / WEIGHTS)
    except (OSError, ValueError) as error:
        raise InputError(
            f"The starter reader's files in {FOLDER} can't be read: {error}; install the package "
            "again"
        ) from None
    scale = settings["lora_alpha"] / settings["r"]
    with torch.no_grad():
        for name, tensor in saved.items():
            place = name.removeprefix(_PREFIX)
            layer, _, matrix = place.rpartition(".lora_")
            if not layer:
                network.get_parameter(place).copy_(tensor)
            elif matrix == "B.weight":
                first = saved[f"{_PREFIX}{layer}.lora_A.weight"].float()
                network.get_parameter(f"{layer}.weight").add_(scale * (tensor.float() @ first))
    return network
