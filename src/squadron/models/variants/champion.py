"""Champion: the registered model as it serves, untrained: what a challenger has to beat.

`launch/registered.py` chooses the version (its `staging`, else its `candidate`) and gives the
contender that version's windows; here the version's folder becomes a model of its own variant.

A saved champion keeps the files of the version, byte for byte, below `champion/`. A champion of a
champion keeps those of the first, so folders never nest.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from squadron.artifacts import ANSWERING, MODEL_ABOUT, MODEL_SCHEMA, read_json
from squadron.config import Contender, from_mapping
from squadron.errors import InputError
from squadron.models import variants
from squadron.models.batches import Batch
from squadron.models.prediction import TopSpans

TRAINS = False
NAME = "champion"
SUBFOLDER = "champion"


@dataclass(frozen=True)
class Options:
    """What an experiment may set under `options`."""

    model: str = ""
    """A name in the registry; `register.model_name` of the experiment if empty."""


class ChampionModel(torch.nn.Module):
    """A registered model, which it asks everything, and the files that it came from.

    Args:
        model: Of the version's own variant.
        folder: Where `save` finds the files.
    """

    def __init__(self, model: Any, folder: Path) -> None:
        super().__init__()
        self.model = model
        self._folder = folder

    def forward(self, batch: Batch) -> torch.Tensor:
        """The version's own loss, a scalar."""
        loss: torch.Tensor = self.model(batch)
        return loss

    def top_spans(self, batch: Batch, n_best: int, max_answer_tokens: int) -> TopSpans:
        """The version's own best spans of each window."""
        spans: TopSpans = self.model.top_spans(batch, n_best, max_answer_tokens)
        return spans

    def save(self, folder: Path) -> None:
        """Copies the version's files below `champion/`, and beside it what a loader asks for."""
        shutil.copytree(self._folder, folder / SUBFOLDER, dirs_exist_ok=True)
        # Tokenizers of transformers are loaded by the one, the null threshold by the other.
        for name in ("config.json", ANSWERING):
            if (self._folder / name).is_file():
                shutil.copy(self._folder / name, folder / name)


def build(backbone: str, options: Options) -> ChampionModel:
    """The model of a version's folder.

    Raises:
        InputError: If the folder is no model folder.
    """
    folder = find_original(Path(backbone))
    if not (folder / MODEL_ABOUT).is_file():
        raise InputError(
            f"The champion's folder {backbone} has no {MODEL_ABOUT}; only a model that a race has "
            "registered can be champion"
        )
    contender = _read_contender(folder)
    variant = variants.load_variant(contender.variant)
    return ChampionModel(variant.load(folder, variants.read_options(contender)), folder)


def load(folder: Path, options: Options) -> ChampionModel:
    """A saved champion."""
    return build(str(folder / SUBFOLDER), options)


def find_requirements(folder: Path) -> set[str]:
    """What the version's own variant needs."""
    version = folder / SUBFOLDER
    return variants.find_requirements(_read_contender(version).variant, version)


def find_original(folder: Path) -> Path:
    """The files of a version that is itself a champion's copy; else the folder as it is."""
    inner = folder / SUBFOLDER
    if (folder / MODEL_ABOUT).is_file() and (inner / MODEL_ABOUT).is_file():
        return find_original(inner)
    return folder


def _read_contender(folder: Path) -> Contender:
    about = read_json(folder / MODEL_ABOUT, schema=MODEL_SCHEMA)
    return from_mapping(Contender, about["contender"])
