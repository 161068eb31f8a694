"""The section `register`: where the winner goes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Register:
    """The register step: what the winner must show and where it goes."""

    model_name: str = ""
    """Name in the MLflow registry; `squadron-<experiment>` unless given."""
    demo: bool = False
    """A data set too small to rank on: the winner is registered even below the gate, and its
    version says `validation_status=demo`."""
