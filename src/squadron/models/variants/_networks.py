"""Loads the networks that variants build on, with the fastest attention and dropout."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from squadron.errors import InputError
from squadron.models import backbones
from squadron.models.cpu_layers import register_attention, replace_dropout


@dataclass(frozen=True)
class Options:
    """The options that all trained variants have."""

    attention_dropout: float = 0.0
    """Dropout on attention weights. It is 0 by default, because it costs a third of the speed on
    CPUs and the memory of all attention matrices. Dropout on hidden states stays as the backbone
    has it."""

    def __post_init__(self) -> None:
        """Refuses a value that is not a probability below 1."""
        if not 0 <= self.attention_dropout < 1:
            raise InputError(
                f"attention_dropout: {self.attention_dropout} is not allowed; 0 to below 1"
            )


def load_network(backbone: str, options: Options) -> Any:
    """Loads a backbone's network for question answering, in fp32.

    Args:
        backbone: As `backbones.locate` takes it.
        options: The variant's options.

    Raises:
        InputError: If the backbone can't be loaded, or if its architecture is not allowed.
    """
    from transformers import MODEL_FOR_QUESTION_ANSWERING_MAPPING, AutoModelForQuestionAnswering

    on_cpu = not torch.cuda.is_available()
    config = backbones.read_config(backbone)
    for name in ("attention_probs_dropout_prob", "attention_dropout"):
        if hasattr(config, name):
            setattr(config, name, options.attention_dropout)
    architecture = MODEL_FOR_QUESTION_ANSWERING_MAPPING[type(config)]
    network = backbones.from_pretrained(
        AutoModelForQuestionAnswering,
        backbone,
        config=config,
        dtype=torch.float32,  # weights stored in half precision can't be trained as they are
        attn_implementation=choose_attention(architecture, on_cpu=on_cpu),
        use_safetensors=True,
    )
    if on_cpu:
        replace_dropout(network)
    for name in head_names(network):
        compute_in_fp32(getattr(network, name))
    return network


def require_encoder(network: Any, variant: str) -> Any:
    """Returns the network if it is an encoder; the head of the variant can't read a decoder.

    Raises:
        InputError: If the network is an encoder-decoder, such as T5 or BART.
    """
    if network.config.is_encoder_decoder:
        raise InputError(
            f"variant {variant}: the backbone's architecture {network.config.model_type!r} is an "
            f"encoder-decoder, and this variant needs an encoder alone (such as BERT or DeBERTa); "
            f"choose another backbone, or a variant that takes any architecture, such as span"
        )
    return network


def choose_attention(architecture: Any, *, on_cpu: bool) -> str:
    """Returns the name of the fastest attention that an architecture supports.

    Args:
        architecture: A model class of transformers.
        on_cpu: Whether the network will run on a CPU.

    Returns:
        A value for `attn_implementation` of `from_pretrained`.
    """
    # transformers itself decides by these attributes (PreTrainedModel in 5.23). Only architectures
    # that support the attention interface call a registered attention correctly. T5, for example,
    # adds a position bias to the scores, and Falcon looks the name up in its own table.
    if on_cpu and architecture._supports_attention_backend:
        return register_attention()
    return "sdpa" if architecture._supports_sdpa else "eager"


def head_names(network: Any) -> list[str]:
    """Returns the names of a network's parts with parameters beside its encoder: its heads.

    Most architectures have one, `qa_outputs`.
    """
    encoder = network.base_model
    return [
        name
        for name, child in network.named_children()
        # T5 and similar networks are their own base model; encoder and decoder are children.
        if (isinstance(child, torch.nn.Linear) if encoder is network else child is not encoder)
        and any(True for _ in child.parameters())
    ]


def compute_in_fp32(module: torch.nn.Module) -> None:
    """Makes a module compute in single precision, also under autocast, in place.

    In bf16, logits near 8 are multiples of 1/16. Different spans would get equal scores, and small
    differences of the loss would be noise.
    """
    # The module gets another class instead of another `forward`, because peft copies heads and a
    # copied method would still use the weights of the original.
    kind = type(module)
    module.__class__ = type(f"Fp32{kind.__name__}", (_InFp32, kind), {"__module__": __name__})


class _InFp32(torch.nn.Module):
    """Computes the same as the next class, in single precision and without autocast."""

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """Returns the output of the module for inputs in fp32."""
        device = next(self.parameters()).device
        with torch.autocast(device.type, enabled=False):
            return super().forward(
                *(_to_fp32(value) for value in inputs),
                **{name: _to_fp32(value) for name, value in named.items()},
            )


def _to_fp32(value: Any) -> Any:
    """Returns a tensor of floating point numbers in fp32, and any other value as it is."""
    is_number = isinstance(value, torch.Tensor) and value.is_floating_point()
    return value.float() if is_number else value


def save_head(path: Path, head: dict[str, torch.Tensor]) -> None:
    """Writes the weights that a variant adds to its network, as safetensors."""
    from safetensors.torch import save_file

    save_file({name: tensor.detach().contiguous() for name, tensor in head.items()}, path)


def load_head(path: Path, head: dict[str, torch.Tensor]) -> None:
    """Loads the weights that `save_head` wrote into the tensors of a model, in place.

    Raises:
        InputError: If the file is missing or belongs to another model.
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
