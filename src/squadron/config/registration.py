"""The section `register`: what the winner must show and where it goes."""

from dataclasses import dataclass, field

from squadron.config.gates import Gates


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
    """What is asked of the winner, in addition to an EM above that of answering nothing."""
