"""The section `register`: what the winner must show and where it goes."""

from dataclasses import dataclass, field
from typing import Annotated

from squadron.config.gates import Gates
from squadron.config.limits import check_limits, one_of


@dataclass(frozen=True)
class Register:
    """The register step: what the winner must show and where it goes."""

    model_name: str = ""
    """The model's name in the MLflow registry; `squadron-<experiment>` if empty."""
    demo: bool = False
    """Says that the data are too small to rank models. The winner is then registered even if it
    fails a gate, and its version says `validation_status=demo`."""
    backbone_licences: dict[str, str] = field(default_factory=dict)
    """Backbone, as the experiment names it -> the licence of its weights, as you know it. It goes
    to the model card, to the tags of the version and to the gate `licence`. Squadron itself knows
    those of its offline backbone, of the starter, of SpanBERT and of registered models only. A
    version whose licence forbids commercial use is not promoted to production."""
    gates: Gates = field(default_factory=Gates)
    """The conditions that the winner must meet, besides an EM above that of answering nothing."""
    promote_to: Annotated[
        str, one_of(("", "staging"), "give staging, or leave it out; only people set production")
    ] = ""
    """The alias `staging` if a winner that was registered goes there without a person. It goes
    there only if `squadron promote` would take it without `--force`, and if it can be compared with
    the version that is staging. A demo never does."""

    def __post_init__(self) -> None:
        check_limits(self)
