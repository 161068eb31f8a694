"""Loads the encoder of a backbone for texts by themselves, and cuts texts into forward passes.

BERTScore and retrieval use it. Legend: B texts of a forward pass, T tokens of its longest text.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from squadron.models import backbones

if TYPE_CHECKING:
    import torch
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class TextNetwork:
    """A network without a head, in single precision and ready to encode."""

    network: Any
    """A model of transformers' AutoModel."""
    tokenizer: "Tokenizer"
    """It truncates at the most tokens, adds special tokens and does not pad."""
    pad_id: int
    device: Any
    """The torch device of the network."""

    def pad(self, ids: Sequence[list[int]]) -> tuple["torch.Tensor", "torch.Tensor"]:
        """Returns the tokens of texts, and 1 where a token is real and 0 where it is padding.

        Both are integers of shape (B, T) on the CPU.
        """
        import torch

        width = max(len(some) for some in ids)
        ids_BT = torch.tensor([some + [self.pad_id] * (width - len(some)) for some in ids])
        length_B = torch.tensor([len(some) for some in ids])
        return ids_BT, (torch.arange(width) < length_B[:, None]).long()


def load_network(backbone: str, max_tokens: int | None = None, device: Any = None) -> TextNetwork:
    """Loads the encoder of a backbone.

    Args:
        backbone: As `backbones.locate` takes it.
        max_tokens: Texts are cut here. None, or more than the encoder takes, means its own limit.
        device: A torch device; the first GPU or the CPU unless given.

    Raises:
        InputError: If the backbone can't be loaded.
    """
    import torch
    from transformers import AutoModel

    from squadron.models.devices import pick_device

    tokenizer = backbones.load_tokenizer(backbone)
    network = backbones.from_pretrained(
        AutoModel, backbone, dtype=torch.float32, use_safetensors=True
    )
    positions = getattr(network.config, "max_position_embeddings", 512)
    limit = min(tokenizer.model_max_length, positions, max_tokens or positions)
    bare = backbones.bare_tokenizer(tokenizer)
    bare.enable_truncation(limit)
    device = device or pick_device()
    return TextNetwork(network.to(device).eval(), bare, tokenizer.pad_token_id or 0, device)


def cut_passes(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Yields the rows of one forward pass after the other, texts of similar length together.

    Args:
        lengths: The tokens of each text. Texts of equal length keep their order.
        batch_tokens: Padded tokens of one pass at most (one text at least).
    """
    rows: list[int] = []
    for row in sorted(range(len(lengths)), key=lambda row: lengths[row]):
        if rows and (len(rows) + 1) * lengths[row] > batch_tokens:
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows
