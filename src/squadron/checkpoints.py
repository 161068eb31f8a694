"""Training state on disk: safetensors and JSON, put in place whole, checked before use.

A torn or altered checkpoint is passed over for the one before it. Nothing is pickled.
"""

import hashlib
import json
import logging
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

logger = logging.getLogger(__name__)

KEPT = 2
"""Checkpoints kept: the newest and one to fall back on."""


def save_checkpoint(
    folder: Path, name: str, tensors: dict[str, torch.Tensor], state: dict[str, Any]
) -> None:
    """Writes one checkpoint as `folder/name/` and forgets the oldest of its kind.

    Args:
        folder: Holds the checkpoints of one training.
        name: Such as "step-00000120"; what stands before the last '-' is its kind.
        tensors: By name; copied to the CPU.
        state: JSON values.
    """
    final = folder / name
    temporary = folder / f".{name}.part"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    cpu = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    save_file(cpu, temporary / "tensors.safetensors")
    sha256 = _sha256(temporary / "tensors.safetensors")
    text = json.dumps({"sha256": sha256, "state": state})
    (temporary / "state.json").write_text(text, encoding="utf-8")
    shutil.rmtree(final, ignore_errors=True)
    temporary.replace(final)
    kind = name.rpartition("-")[0]
    for old in sorted(folder.glob(f"{kind}-*"))[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def load_latest(folder: Path, kind: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """The newest whole checkpoint of a kind, or None.

    Returns:
        (tensors by name, state), or None if there is none that can be trusted.
    """
    for path in sorted(folder.glob(f"{kind}-*"), reverse=True):
        try:
            content = json.loads((path / "state.json").read_text(encoding="utf-8"))
            if _sha256(path / "tensors.safetensors") != content["sha256"]:
                raise ValueError("its tensors are not the ones that were written")
            return load_file(path / "tensors.safetensors"), content["state"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("Checkpoint %s is passed over: %s", path, error)
    return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
