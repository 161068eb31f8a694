"""Turns texts into unit vectors with the encoder of a backbone.

Legend: N texts, B texts of a forward pass, T tokens of its longest text, D hidden size.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from squadron.config import digest
from squadron.models import backbones, minilm
from squadron.models.encoders import TextNetwork, cut_passes, load_network
from squadron.progress import Progress

Vectors = npt.NDArray[np.float32]

MEAN = "mean"
"""Pooling: the mean of the vectors of all tokens, as all-MiniLM-L6-v2 was trained."""
FIRST_TOKEN = "first_token"
"""Pooling: the vector of the first token, as the original system had it."""
POOLINGS = (MEAN, FIRST_TOKEN)
MAX_TOKENS = 256
"""The most tokens of a text, special tokens included; the rest of a longer text is not encoded.
The authors of all-MiniLM-L6-v2 cut at the same length."""


class Encoder(Protocol):
    """What an index needs from an encoder."""

    @property
    def name(self) -> str:
        """The encoder as people know it, such as "all-MiniLM-L6-v2"."""

    @property
    def fingerprint(self) -> str:
        """A digest that changes when the same text gets another vector."""

    def encode(self, texts: Sequence[str], poolings: Sequence[str]) -> dict[str, Vectors]:
        """Returns unit vectors of shape (N, D) for each pooling, in the order of the texts."""


class TextEncoder:
    """The encoder of a backbone in single precision, which is loaded when it is first needed.

    Args:
        backbone: As `backbones.locate` takes it.
        max_tokens: The most tokens of a text; the encoder's own limit holds where it is lower.
        batch_tokens: Padded tokens of one forward pass at most (one text at least).
        title: The title of the progress line; "" shows no progress.
    """

    def __init__(
        self,
        backbone: str = minilm.NAME,
        *,
        max_tokens: int = MAX_TOKENS,
        batch_tokens: int = 4_096,
        title: str = "",
    ) -> None:
        self.name = backbone
        self.max_tokens = max_tokens
        self.title = title
        self._batch_tokens = batch_tokens
        self._loaded: TextNetwork | None = None

    @property
    def fingerprint(self) -> str:
        """Digest of the backbone's content and of the length at which texts are cut."""
        return digest(backbones.fingerprint(self.name), str(self.max_tokens))

    def encode(self, texts: Sequence[str], poolings: Sequence[str] = (MEAN,)) -> dict[str, Vectors]:
        """Encodes texts.

        Args:
            texts: N texts. Only the first `max_tokens` tokens of a text count.
            poolings: Some of `POOLINGS`. One forward pass serves all of them.

        Returns:
            For each pooling an array of shape (N, D), whose rows have length 1.

        Raises:
            InputError: If the backbone can't be loaded.
        """
        import torch

        loaded = self._load()
        found = {
            name: np.zeros((len(texts), loaded.network.config.hidden_size), np.float32)
            for name in poolings
        }
        ids = [encoding.ids for encoding in loaded.tokenizer.encode_batch_fast(list(texts))]
        bar: AbstractContextManager[Progress | None] = (
            Progress(self.title, len(texts), "passages") if self.title else nullcontext()
        )
        with bar as progress, torch.inference_mode():
            for rows in cut_passes([len(some) for some in ids], self._batch_tokens):
                hidden_BTD, mask_BT = self._forward([ids[row] for row in rows])
                for name, vectors in found.items():
                    pooled_BD = _pool(hidden_BTD, mask_BT, name)
                    unit_BD = torch.nn.functional.normalize(pooled_BD, dim=-1)
                    vectors[rows] = unit_BD.cpu().numpy()
                if progress:
                    progress.advance(len(rows))
        return found

    def _forward(self, ids: Sequence[list[int]]) -> tuple[Any, Any]:
        """Returns the last hidden states, shape (B, T, D), and which tokens are real, (B, T)."""
        loaded = self._load()
        ids_BT, mask_BT = (values.to(loaded.device) for values in loaded.pad(ids))
        # Texts of equal length are frequent, as batches are sorted. They need no mask, and
        # attention is faster without one.
        output = loaded.network(input_ids=ids_BT, attention_mask=None if mask_BT.all() else mask_BT)
        return output.last_hidden_state, mask_BT

    def _load(self) -> TextNetwork:
        """Loads tokenizer and network once."""
        if self._loaded is None:
            self._loaded = load_network(self.name, self.max_tokens)
        return self._loaded


def _pool(hidden_BTD: Any, mask_BT: Any, pooling: str) -> Any:
    """Returns one vector per text, shape (B, D)."""
    if pooling == FIRST_TOKEN:
        return hidden_BTD[:, 0]
    if pooling != MEAN:
        raise ValueError(f"The pooling is {pooling!r}; {' and '.join(POOLINGS)} are known.")
    weight_BT1 = mask_BT[:, :, None].to(hidden_BTD.dtype)
    return (hidden_BTD * weight_BT1).sum(1) / weight_BT1.sum(1)
