"""Saves and loads the state of a training as safetensors and JSON. Nothing is pickled.

A checkpoint appears whole or not at all and is checked before use. If it is torn or altered, the
one before it is used.
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
"""Checkpoints kept of each kind: the newest, and one to fall back on."""


def save_checkpoint(
    folder: Path, name: str, tensors: dict[str, torch.Tensor], state: dict[str, Any]
) -> None:
    """Writes the checkpoint `folder/name/` and keeps only one older checkpoint of its kind.

    Args:
        folder: The folder for the checkpoints of one training.
        name: Such as "step-00000120". The part before the last '-' is its kind.
        tensors: Tensors by name, on any device.
        state: JSON values.
    """
    final = folder / name
    temporary = folder / f".{name}.part"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    cpu = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    save_file(cpu, temporary / "tensors.safetensors")
    sha256 = _sha256(temporary / "tensors.safetensors", state)
    text = json.dumps({"sha256": sha256, "state": state})
    (temporary / "state.json").write_text(text, encoding="utf-8")
    shutil.rmtree(final, ignore_errors=True)
    temporary.replace(final)
    kind = name.rpartition("-")[0]
    paths = sorted(folder.glob(f"{kind}-*"))
    place = paths.index(final)
    # Later ones are torn, or come from steps that are repeated now. A kill leaves .part folders.
    forgotten = [*paths[: max(0, place - KEPT + 1)], *paths[place + 1 :]]
    for path in [*forgotten, *folder.glob(f".{kind}-*.part")]:
        shutil.rmtree(path, ignore_errors=True)


def load_latest(folder: Path, kind: str) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
    """Loads the newest whole checkpoint of a kind.

    Returns:
        (tensors by name, state), or None if there is no whole one.
    """
    for path in sorted(folder.glob(f"{kind}-*"), reverse=True):
        try:
            content = json.loads((path / "state.json").read_text(encoding="utf-8"))
            if _sha256(path / "tensors.safetensors", content["state"]) != content["sha256"]:
                raise ValueError("its content is not what was written")
            return load_file(path / "tensors.safetensors"), content["state"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            logger.warning("Checkpoint %s is passed over: %s", path, error)
    return None


def _sha256(tensors: Path, state: dict[str, Any]) -> str:
    """Returns the digest of the file of tensors and of the state, which survives JSON unchanged."""
    with tensors.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(json.dumps(state).encode())
    return digest.hexdigest()
