"""The kinds of contenders: one file per variant, behind one contract. The folder is the list.

A variant is a module with

- `TRAINS`: whether the train step trains it (or it only races);
- `Options`: a frozen dataclass of what an experiment may tell it under `options`;
- `build(backbone, options)`: a fresh model on a backbone;
- `load(folder, options)`: the model that `save` put into a folder.

A model may also have `prepare_training(windows)`, called with the table of windows that it is going
to be trained on, and give `TopSpans.type_logits_BC` if it tells the types of questions.

A saved model holds all its weights, or `backbone.json` names the backbone that it needs; a variant
of the latter kind says `NAMES_BACKBONE = True`.

The imports of a variant's file say what must be installed where its models are loaded. A variant
whose models need more than that has `find_requirements(folder)`, which gives the names of the other
distributions that the model saved in that folder needs.
"""

import difflib
import importlib
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from squadron import requirements
from squadron.config import Contender, from_mapping
from squadron.errors import InputError

if TYPE_CHECKING:
    import torch

    from squadron.models.batches import Batch
    from squadron.models.prediction import TopSpans


class Model(Protocol):
    """What every variant's model can do; it is a torch.nn.Module besides."""

    def __call__(self, batch: "Batch") -> "torch.Tensor":
        """The mean loss of a batch, a scalar."""
        ...

    def top_spans(self, batch: "Batch", n_best: int, max_answer_tokens: int) -> "TopSpans":
        """The best spans of each window of a batch."""
        ...

    def save(self, folder: Path) -> None:
        """Writes what `load` needs: safetensors and JSON, nothing else."""
        ...


class Variant(Protocol):
    """What a file of this folder offers."""

    TRAINS: bool
    Options: type[Any]

    def build(self, backbone: str, options: Any) -> Any:
        """A fresh model (a `Model` and torch.nn.Module)."""
        ...

    def load(self, folder: Path, options: Any) -> Any:
        """A saved model."""
        ...


def list_variants() -> list[str]:
    """The names of all variants: the files of this folder."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def load_variant(name: str) -> Variant:
    """The variant of that name.

    Raises:
        InputError: If there is none, with the nearest name and all there are.
    """
    known = list_variants()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(f"{name!r} is not a variant; {hint}known: {', '.join(known)}")
    return cast(Variant, importlib.import_module(f"{__name__}.{name}"))


def find_requirements(name: str, folder: Path) -> set[str]:
    """The distributions that must be installed to load a saved model of a variant.

    Args:
        name: Of the variant.
        folder: Where the model was saved.
    """
    variant = load_variant(name)
    own = requirements.find_distributions(f"{__name__}.{name}")
    find_more = getattr(variant, "find_requirements", None)
    return own | find_more(folder) if find_more else own


def check_contender(contender: Contender, path: str) -> None:
    """Refuses an unknown variant or option before anything runs.

    Only a contender with options costs the import of its variant (and of torch).
    """
    if contender.variant not in list_variants():
        try:
            load_variant(contender.variant)
        except InputError as error:
            raise InputError(f"{path} -> variant: {error}") from None
    if contender.options:
        read_options(contender, f"{path} -> options")


def read_options(contender: Contender, path: str = "options") -> Any:
    """The contender's options as the variant's own dataclass, strictly."""
    return from_mapping(load_variant(contender.variant).Options, contender.options, path)
