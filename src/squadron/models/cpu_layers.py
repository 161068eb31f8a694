"""Dropout and attention that are fast on CPUs. On a GPU, the library's own are used.

torch draws a dropout mask from one serial generator, which takes a third of a training step. Here
numpy draws the mask as bytes. In training, attention is two plain matrix products and a softmax:
for heads of size 32, they are faster than the fused kernel with its backward pass. Without a
backward pass, the fused kernel is faster, so prediction uses it. docs/decisions/training-loop.md
has the figures.
"""

from typing import Any

import numpy as np
import torch

ATTENTION = "squadron_plain"
"""The name under which transformers knows the plain attention, after `register_attention`."""


class _ByteDropout(torch.autograd.Function):
    """Zeroes elements with probability drop_bytes / 256 and scales the others to match."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, drop_bytes: int) -> torch.Tensor:
        # The seed comes from torch, so torch.manual_seed decides this dropout, too.
        seed = int(torch.randint(2**62, (1,)))
        words = np.random.SFC64(seed).random_raw(-(-x.numel() // 8))
        draw = torch.from_numpy(words.view(np.uint8)[: x.numel()]).view(x.shape)
        # A product with a mask of numbers is faster than a choice by a mask of booleans. The scale
        # is no part of the mask, as bf16 would round it.
        mask = (draw >= drop_bytes).to(x.dtype)
        ctx.scale = 256 / (256 - drop_bytes)
        ctx.save_for_backward(mask)
        return (x * mask).mul_(ctx.scale)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        (mask,) = ctx.saved_tensors
        return (gradient * mask).mul_(ctx.scale), None


class ByteDropout(torch.nn.Module):
    """Replaces torch.nn.Dropout on CPUs.

    Args:
        p: Probability of a zero, 0 to 1, rounded to a multiple of 1/256 (0.1 becomes 26/256 =
            0.1016). Only p = 1 drops everything; values just below 1 become 255/256.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        if not 0 <= p <= 1:
            raise ValueError(f"p: {p} is not a probability; 0 to 1 is allowed")
        self.p = p  # some attention modules read it
        self.drop_bytes = 256 if p == 1 else min(255, round(p * 256))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns a tensor of the same shape and dtype."""
        if not self.training or not self.drop_bytes:
            return x
        if self.drop_bytes == 256:
            return x * 0.0  # the scale would be infinite
        return _ByteDropout.apply(x, self.drop_bytes)  # type: ignore[no-untyped-call, no-any-return]


def replace_dropout(model: torch.nn.Module) -> None:
    """Replaces each torch.nn.Dropout in a model by ByteDropout, in place."""
    for name, child in model.named_children():
        if isinstance(child, torch.nn.Dropout):
            setattr(model, name, ByteDropout(child.p))
        else:
            replace_dropout(child)


def register_attention() -> str:
    """Makes the plain attention known to transformers; returns its name."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, eager_mask

    AttentionInterface.register(ATTENTION, _attend)
    AttentionMaskInterface.register(ATTENTION, eager_mask)
    return ATTENTION


def _attend(
    module: torch.nn.Module,
    query_BHTD: torch.Tensor,
    key_BHTD: torch.Tensor,
    value_BHTD: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Computes attention as transformers expects it; the result has the shape (B, T, H, D).

    B is the batch, H the heads, T the tokens and D the size of a head.

    Raises:
        ValueError: If the architecture needs a term that this attention does not compute.
    """
    for name in ("position_bias", "softcap", "s_aux"):
        if others.get(name) is not None:
            raise ValueError(f"the attention {ATTENTION!r} does not compute {name!r}")
    # Several heads of queries may share one head of keys and values.
    shared = query_BHTD.shape[1] // key_BHTD.shape[1]
    if shared > 1:
        key_BHTD = key_BHTD.repeat_interleave(shared, dim=1)
        value_BHTD = value_BHTD.repeat_interleave(shared, dim=1)
    if not module.training:
        mask = None if attention_mask is None else attention_mask.to(query_BHTD.dtype)
        fused_BHTD = torch.nn.functional.scaled_dot_product_attention(
            query_BHTD, key_BHTD, value_BHTD, attn_mask=mask, scale=scaling
        )
        return fused_BHTD.transpose(1, 2).contiguous(), None
    scale = query_BHTD.shape[-1] ** -0.5 if scaling is None else scaling
    scores_BHTT = torch.matmul(query_BHTD * scale, key_BHTD.transpose(2, 3))
    if attention_mask is not None:
        scores_BHTT = scores_BHTT + attention_mask.to(scores_BHTT.dtype)
    weights_BHTT = torch.softmax(scores_BHTT, dim=-1)
    weights_BHTT = torch.nn.functional.dropout(weights_BHTT, dropout, module.training)
    return torch.matmul(weights_BHTT, value_BHTD).transpose(1, 2).contiguous(), None
