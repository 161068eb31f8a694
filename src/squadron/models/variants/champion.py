"""Champion: the registered model, which is not trained again and which challengers have to beat.

`launch/registered.py` chooses the version (`staging`, else `production`, else `candidate`) and
gives the contender the version's settings for windows. Here, the version's folder becomes a model
of its own variant.

A saved champion contains the files of the version, unchanged, in `champion/`. If the version is
itself a saved champion, the files of its original are used, so folders never nest.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from squadron.artifacts import ANSWERING, MODEL_ABOUT
from squadron.errors import InputError
from squadron.models.batches import Batch
from squadron.models.prediction import TopSpans

TRAINS = False
NAME = "champion"
SUBFOLDER = "champion"


@dataclass(frozen=True)
class Options:
    """What an experiment may set under `options`."""

    model: str = ""
    """The model's name in the registry; if empty, the experiment's `register.model_name`."""


class ChampionModel(torch.nn.Module):
    """Wraps a registered model and remembers its files.

    Args:
        model: The model, of the version's own variant.
        folder: The folder of the version, which `save` copies.
    """

    def __init__(self, model: Any, folder: Path) -> None:
        super().__init__()
        self.model = model
        self._folder = folder

    def forward(self, batch: Batch) -> torch.Tensor:
        """Returns the loss of the registered model, a scalar."""
        loss: torch.Tensor = self.model(batch)
        return loss

    def top_spans(self, batch: Batch, n_best: int, max_answer_tokens: int) -> TopSpans:
        """Returns the registered model's best spans of each window."""
        spans: TopSpans = self.model.top_spans(batch, n_best, max_answer_tokens)
        return spans

    def save(self, folder: Path) -> None:
        """Copies the version's files into `champion/`, and two of them also beside it."""
        shutil.copytree(self._folder, folder / SUBFOLDER, dirs_exist_ok=True)
        # transformers loads the tokenizer with the first file; the second says how it answers.
        for name in ("config.json", ANSWERING):
            if (self._folder / name).is_file():
                shutil.copy(self._folder / name, folder / name)


def build(backbone: str, options: Options) -> ChampionModel:
    """Returns the model in a version's folder.

    Raises:
        InputError: If the folder is not a model folder.
    """
    folder = find_original(Path(backbone))
    if not (folder / MODEL_ABOUT).is_file():
        raise InputError(
            f"The champion's folder {backbone} has no {MODEL_ABOUT}; only a model that a race has "
            "registered can be champion"
        )
    from squadron.models.model_folder import load_network, read_about

    return ChampionModel(load_network(folder, read_about(folder)), folder)


def load(folder: Path, options: Options) -> ChampionModel:
    """Returns a saved champion."""
    return build(str(folder / SUBFOLDER), options)


def find_requirements(folder: Path) -> set[str]:
    """Returns the distributions that the version itself needs."""
    from squadron.models import model_folder

    return model_folder.find_requirements(folder / SUBFOLDER)


def keep_backbone(folder: Path) -> None:
    """Copies what the version's own variant needs into the folder of the version."""
    from squadron.models import model_folder

    model_folder.keep_backbone(folder / SUBFOLDER)


def find_original(folder: Path) -> Path:
    """Returns the original's folder if a version is a saved champion, else the same folder."""
    inner = folder / SUBFOLDER
    if (folder / MODEL_ABOUT).is_file() and (inner / MODEL_ABOUT).is_file():
        return find_original(inner)
    return folder
