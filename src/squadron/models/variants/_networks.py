"""What variants build on: a backbone's network with attention and dropout as they train fastest."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from squadron.errors import InputError
from squadron.models import backbones
from squadron.models.cpu_layers import register_attention, replace_dropout


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


def load_network(backbone: str, options: Options) -> Any:
    """A backbone's network for question answering, in fp32.

    Args:
        backbone: As `backbones.locate` takes it.
        options: Of the variant.

    Raises:
        InputError: If the backbone can't be had, or its architecture can't answer questions.
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
        dtype=torch.float32,  # also where it is stored in half precision, which can't be trained
        attn_implementation=choose_attention(architecture, on_cpu=on_cpu),
        use_safetensors=True,
    )
    if on_cpu:
        replace_dropout(network)
    for name in head_names(network):
        compute_in_fp32(getattr(network, name))
    return network


def require_encoder(network: Any, variant: str) -> Any:
    """The network, unless it has a decoder, whose layers a variant's own head does not read.

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
    """The name of the fastest attention that an architecture supports.

    Args:
        architecture: A model class of transformers.
        on_cpu: Whether the network is going to run on a CPU.

    Returns:
        What `from_pretrained` takes as `attn_implementation`.
    """
    # These attributes are how transformers itself decides (PreTrainedModel in 5.23). Only an
    # architecture that supports the attention interface calls a registered attention correctly:
    # T5 adds a position bias to the scores, and Falcon looks the name up in a table of its own.
    if on_cpu and architecture._supports_attention_backend:
        return register_attention()
    return "sdpa" if architecture._supports_sdpa else "eager"


def head_names(network: Any) -> list[str]:
    """The trained parts of a question-answering network beside its encoder, such as qa_outputs."""
    encoder = network.base_model
    return [
        name
        for name, child in network.named_children()
        # T5 and its kin have no base model beside the network: encoder and decoder are children.
        if (isinstance(child, torch.nn.Linear) if encoder is network else child is not encoder)
        and any(True for _ in child.parameters())
    ]


def compute_in_fp32(module: torch.nn.Module) -> None:
    """Makes a module compute in single precision under autocast, in place.

    In bf16, logits near 8 are multiples of 1/16: different spans tie, and a loss of small
    differences is noise.
    """
    # A class of its own, not a replaced `forward`: peft copies heads, and a copied method would
    # still use the weights of the original.
    kind = type(module)
    module.__class__ = type(f"Fp32{kind.__name__}", (_InFp32, kind), {"__module__": __name__})


class _InFp32(torch.nn.Module):
    """Computes what the next class computes, without autocast and on single-precision inputs."""

    def forward(self, *inputs: Any, **named: Any) -> Any:
        """The same as without, in fp32."""
        device = next(self.parameters()).device
        with torch.autocast(device.type, enabled=False):
            return super().forward(
                *(_to_fp32(value) for value in inputs),
                **{name: _to_fp32(value) for name, value in named.items()},
            )


def _to_fp32(value: Any) -> Any:
    is_number = isinstance(value, torch.Tensor) and value.is_floating_point()
    return value.float() if is_number else value


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
