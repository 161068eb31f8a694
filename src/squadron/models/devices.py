"""Chooses the device and the precision, for training and prediction alike."""

import contextlib
from typing import Any

import torch

PASS_TOKENS = {"cpu": 2_048, "cuda": 65_536}
"""Maximum number of padded tokens in one forward pass. It bounds the memory of activations (about
150 kB per token when MiniLM-L6 trains in bf16, twice as much in fp32). Small passes also stay in a
CPU's cache (docs/decisions/training-loop.md)."""


def pick_device() -> torch.device:
    """Returns the first GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def gpu_memory_mb() -> float | None:
    """Returns the most memory that tensors took on the GPU at once, in MiB; None without a GPU."""
    if pick_device().type != "cuda":
        return None
    return torch.cuda.max_memory_allocated() / 2**20


def uses_bf16(device: torch.device, precision: str) -> bool:
    """Whether the precision "auto", "bf16" or "fp32" means bf16 autocast on this device.

    On a CPU, "auto" means bf16 only if the CPU has instructions for it (AVX512-BF16 or AMX),
    because emulated bf16 is slower than fp32.
    """
    if precision != "auto":
        return precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def autocast(device: torch.device, precision: str) -> contextlib.AbstractContextManager[Any]:
    """Returns a context with bf16 autocast if `uses_bf16` is true, else one without effect."""
    if uses_bf16(device, precision):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()
