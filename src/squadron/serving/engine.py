"""A loaded model: its reader, what it is, and how it is tried before it answers requests."""

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from squadron.cores import call_in_short_thread
from squadron.errors import InputError
from squadron.models import model_folder, starter
from squadron.registry import evidence, versions
from squadron.registry.logged_model import CONTEXT, QUESTION
from squadron.serving.evaluated import find_mean_probability

if TYPE_CHECKING:
    from squadron.reader import Reader
    from squadron.registry import OpenedModel

WARM_UPS = 3
"""The first passes are slower than the others, because libraries choose their kernels then."""


@dataclass(frozen=True)
class Engine:
    """A model that is ready to answer."""

    reader: "Reader"
    name: str
    """The name of the registered model; the label of the contender, for a model folder; "starter"
    for the starter."""
    version: str
    """The registered version; "" for a folder and for the starter."""
    variant: str
    alias: str = ""
    """The alias by which it was found; "" if it was named otherwise."""
    context: str = ""
    """The context that the model keeps from its race; "" if it keeps none."""
    figures: dict[str, dict[str, float | None]] = field(default_factory=dict)
    """Name of a figure -> `value`, `low` and `high` (its 95 % interval), 0 to 100."""
    evaluated_probability: float | None = None
    """The mean probability of its answers in its evaluation; None if it is not known."""
    fingerprint: str = ""
    """Tells registered versions apart, also of different stores."""

    def try_example(self) -> None:
        """Asks the input example some times, so that the next answers are fast.

        Raises:
            InputError: If the model finds no span at all, as one with NaN in its weights.
        """
        for _ in range(WARM_UPS):
            (reading,) = self.reader.read([(QUESTION, CONTEXT)])
        if not reading.best_text:
            raise InputError(
                f"{self.name} {self.version or ''} finds no span in its input example; its weights "
                "may be damaged"
            )


def load_engine(opened: "OpenedModel", alias: str = "") -> Engine:
    """Loads a model whose files are on this machine.

    Args:
        opened: The model.
        alias: The alias by which it was found.

    Raises:
        InputError: If it can't be loaded.
    """
    # Another thread will read with it (service.py).
    reader, registered = call_in_short_thread(opened.load_reader), opened.version
    probability = find_mean_probability(opened)
    if opened.folder == starter.FOLDER:
        return Engine(reader, starter.NAME, "", "pretrained", figures=_read_starter_figures())
    contender = model_folder.read_about(opened.folder).contender
    context = opened.read_context()
    if registered is None:
        name = contender.label or contender.variant
        return Engine(
            reader,
            name,
            "",
            contender.variant,
            context=context,
            evaluated_probability=probability,
        )
    figures = {
        name: {"value": each.value, "low": each.low, "high": each.high}
        for name, each in evidence.read_evidence(registered).figures.items()
    }
    return Engine(
        reader,
        registered.name,
        registered.version,
        contender.variant,
        alias,
        context,
        figures,
        probability,
        versions.fingerprint(registered),
    )


def load_version(registered: versions.Registered, alias: str) -> Engine:
    """Fetches and loads a registered version; its files are removed again.

    Raises:
        InputError: If it can't be fetched or loaded.
    """
    from squadron.registry import fetch_version

    with tempfile.TemporaryDirectory() as temporary:
        return load_engine(fetch_version(registered, Path(temporary)), alias)


def _read_starter_figures() -> dict[str, dict[str, float | None]]:
    """Returns the figures of the starter on the dev set of SQuAD 1.1."""
    dev = json.loads((starter.FOLDER / "figures.json").read_text(encoding="utf-8"))["dev"]
    return {
        f"squad1_dev_{name}": {
            "value": dev[name],
            "low": dev[f"{name}_low"],
            "high": dev[f"{name}_high"],
        }
        for name in ("exact_match", "f1")
    }
