"""Keeps the lowest layers of an encoder as they are while the layers above them are trained.

Nothing is computed backwards below the lowest trained layer, so training is faster and needs less
memory.

Source: Howard and Ruder 2018 (arXiv:1801.06146), section 3.3, for freezing; for how little the
lowest layers matter, Lee, Tang and Lin 2019 (arXiv:1911.03090).
"""

import torch

from squadron.errors import InputError
from squadron.models.architectures import check_frozen_layers


def freeze_layers(model: torch.nn.Module, count: int, backbone: str) -> None:
    """Excludes the embeddings and the lowest layers of an encoder from training, in place.

    Of the encoder, only the layers above are trained. Heads are trained as before, and so are
    prompts. Matrices that LoRA added to a frozen layer are frozen, too.

    Args:
        model: A variant's model.
        count: How many layers are frozen; 0 changes nothing.
        backbone: The name that messages show.

    Raises:
        InputError: If the encoder has no single stack of layers, or fewer layers.
    """
    if not count:
        return
    from transformers import PreTrainedModel

    network = next(part for part in model.modules() if isinstance(part, PreTrainedModel))
    check_frozen_layers(backbone, network.config.to_dict(), count)
    encoder = network.base_model
    length = getattr(network.config, "num_hidden_layers", None)
    stacks = [
        part
        for part in encoder.modules()
        if isinstance(part, torch.nn.ModuleList) and len(part) == length
    ]
    if len(stacks) != 1 or network.config.is_encoder_decoder:
        raise InputError(
            f"train -> frozen_layers: {count} is not allowed for the backbone {backbone!r}, as its "
            f"architecture {network.config.model_type!r} has no single stack of layers; choose 0"
        )
    kept = {id(part) for layer in stacks[0][count:] for part in layer.parameters()}
    for parameter in encoder.parameters():
        if id(parameter) not in kept:
            parameter.requires_grad_(False)
