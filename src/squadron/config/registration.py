"""The section `register`: what the winner must show and where it goes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Register:
    """The register step: what the winner must show and where it goes."""

    model_name: str = ""
    """The model's name in the MLflow registry; `squadron-<experiment>` if empty."""
    demo: bool = False
    """Says that the data are too small to rank models. The winner is then registered even if it
    does not pass the gate, and its version says `validation_status=demo`."""
