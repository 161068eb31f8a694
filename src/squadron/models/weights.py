"""Checks the numbers in the weights of a model folder."""

from pathlib import Path


def count_not_finite(folder: Path) -> int:
    """Returns how many numbers of a folder's safetensors files are infinite or NaN.

    Reads one tensor at a time. Folders in the folder count as well, because the model of a champion
    is in one.
    """
    import torch
    from safetensors import safe_open

    found = 0
    for path in sorted(folder.rglob("*.safetensors")):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118  the file is not a mapping
                tensor = file.get_tensor(name)
                found += tensor.numel() - int(torch.isfinite(tensor).sum())
    return found
