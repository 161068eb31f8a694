"""The variants that can race: one file per variant, all with the same contract.

Every file of this folder without a leading "_" is a variant; there is no other list. A variant is a
module with

- `TRAINS`: whether the train step trains it; otherwise it races as it is;
- `Options`: a frozen dataclass of the settings that an experiment may give under `options`;
- `build(backbone, options)`: returns a model on a backbone, before training;
- `load(folder, options)`: returns the model that `save` wrote into a folder.

A model may also have `prepare_training(windows)`, which is called with the table of windows that it
will be trained on. It may set `TopSpans.type_logits_BC` if it predicts the types of questions.

A variant whose answers are those of a span head alone has `SERVES_AS_ONNX = True`, and its model
has `span_network()`, which returns the network of transformers with that head.

A saved model contains all its weights, or its `backbone.json` names the backbone that it needs. In
the second case, the variant has `NAMES_BACKBONE = True`.

The imports of a variant's file tell what must be installed to load its models. If a model needs
more, the variant has `find_requirements(folder)`, which returns the names of the other
distributions that the model in that folder needs.

If a saved model does not contain all its weights, the variant has `keep_backbone(folder)`, which
adds to the folder what can't be had everywhere. Registration calls it.
"""

import ast
import difflib
import functools
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
    """What every variant's model can do. It is also a torch.nn.Module."""

    def __call__(self, batch: "Batch") -> "torch.Tensor":
        """Returns the mean loss of a batch, a scalar."""
        ...

    def top_spans(self, batch: "Batch", n_best: int, max_answer_tokens: int) -> "TopSpans":
        """Returns the best spans of each window of a batch."""
        ...

    def save(self, folder: Path) -> None:
        """Writes what `load` needs, as safetensors and JSON only."""
        ...


class Variant(Protocol):
    """What every variant's module has."""

    TRAINS: bool
    Options: type[Any]

    def build(self, backbone: str, options: Any) -> Any:
        """Returns a model before training (a `Model` and torch.nn.Module)."""
        ...

    def load(self, folder: Path, options: Any) -> Any:
        """Returns a saved model."""
        ...


def list_variants() -> list[str]:
    """Returns the names of all variants, which are the files of this folder."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def load_variant(name: str) -> Variant:
    """Imports and returns the variant of a name.

    Raises:
        InputError: If there is none, with the nearest name and all names.
    """
    known = list_variants()
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(f"{name!r} is not a variant; {hint}known: {', '.join(known)}")
    return cast(Variant, importlib.import_module(f"{__name__}.{name}"))


@functools.cache
def is_trained(variant: str) -> bool:
    """Whether the step train trains contenders of a variant, by `TRAINS` in the variant's source.

    The module itself would import torch.
    """
    return _read_flag(variant, "TRAINS", default=True)


@functools.cache
def serves_as_onnx(variant: str) -> bool:
    """Whether models of a variant can be served as an ONNX file, by `SERVES_AS_ONNX` likewise."""
    return _read_flag(variant, "SERVES_AS_ONNX", default=False)


def _read_flag(variant: str, name: str, *, default: bool) -> bool:
    source = Path(__path__[0], f"{variant}.py").read_text(encoding="utf-8")
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            return ast.unparse(node.value) != "False"
    return default


def find_requirements(name: str, folder: Path) -> set[str]:
    """Returns the distributions that must be installed to load a saved model.

    Args:
        name: The name of its variant.
        folder: The folder of the model.
    """
    variant = load_variant(name)
    own = requirements.find_distributions(f"{__name__}.{name}")
    find_more = getattr(variant, "find_requirements", None)
    return own | find_more(folder) if find_more else own


def keep_backbone(name: str, folder: Path) -> None:
    """Adds to the folder of a saved model the backbone that it names, if it needs that elsewhere.

    Args:
        name: The name of its variant.
        folder: The folder of the model.

    Raises:
        InputError: If the backbone can't be loaded.
    """
    keep = getattr(load_variant(name), "keep_backbone", None)
    if keep:
        keep(folder)


def check_contender(contender: Contender, path: str) -> None:
    """Refuses an unknown variant or option before anything runs.

    The variant, and with it torch, is imported only if the contender has options.

    Args:
        contender: The contender.
        path: Its place in the experiment file, for the message.

    Raises:
        InputError: With the path of the wrong value.
    """
    if contender.variant not in list_variants():
        try:
            load_variant(contender.variant)
        except InputError as error:
            raise InputError(f"{path} -> variant: {error}") from None
    if contender.options:
        read_options(contender, f"{path} -> options")


def read_options(contender: Contender, path: str = "options") -> Any:
    """Returns a contender's options as its variant's dataclass.

    Raises:
        InputError: If an option is unknown or has a value that is not allowed.
    """
    return from_mapping(load_variant(contender.variant).Options, contender.options, path)
