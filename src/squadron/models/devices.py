"""Which device and which precision: one answer for training and prediction."""

import contextlib
from typing import Any

import torch

PASS_TOKENS = {"cpu": 4_096, "cuda": 65_536}
"""Padded tokens of one forward pass at most. It bounds activations (about 150 kB a token in
training, MiniLM-L6 in bf16), and small passes stay in a CPU's cache: predicting 10 windows of 384
at a time was twice as fast as 64."""


def pick_device() -> torch.device:
    """The first GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def uses_bf16(device: torch.device, precision: str) -> bool:
    """Whether "auto", "bf16" or "fp32" means bf16 autocast on this device.

    On a CPU "auto" asks for bf16 instructions (AVX512-BF16 or AMX): emulated, bf16 is slower.
    """
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[Any]:
    """bf16 autocast where `uses_bf16` says so, else nothing."""
    if uses_bf16(device, precision):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()
