"""The section `register.gates`: what the winner must show before it is registered."""

from dataclasses import dataclass
from typing import Annotated

from squadron.config.limits import SHARE, Limit, above, at_least, check_limits, optional, require

_PERCENTAGE = Limit(
    "give a percentage from 0 to 100",
    lambda value: 0 <= value <= 100,
    {"minimum": 0, "maximum": 100},
)
_NAMES = Limit(
    "an empty text names no licence",
    lambda names: all(name.strip() for name in names),
    {"minLength": 1, "items": {"type": "string", "minLength": 1}},
)


@dataclass(frozen=True)
class Gates:
    """The gates that the winner must pass besides that its EM beats answering nothing.

    All of them are off by default. What each one measures is in docs/decisions/gates.md.
    """

    beats_untrained: bool = False
    """EM on select must be above the EM of every contender `pretrained` of the race. If no such
    contender was judged, the gate passes and says that it was not measured."""
    min_has_ans_exact_match: Annotated[float | None, optional(_PERCENTAGE)] = None
    """The least EM on the questions of select that have an answer."""
    champion_margin: Annotated[float | None, optional(at_least(0))] = None
    """Points of EM. The 95 % interval of the winner's lead over the champion must begin above
    minus this margin: 0 asks for a lead that is more than chance, 1 for a model that is less than
    one point worse. If no champion was judged, the gate passes and says that it was not
    measured."""
    margin_needs_fewer_parameters: bool = False
    """The margin then counts only for a model with fewer parameters than the champion. Any other
    model needs a lead that is more than chance."""
    max_ece: Annotated[float | None, optional(SHARE)] = None
    """The largest expected calibration error on select, 0 to 1."""
    max_ms_per_window: Annotated[float | None, optional(above(0))] = None
    """The most milliseconds per window in the step predict, with the time to load the model, on
    the machine of the race."""
    max_megabytes: Annotated[float | None, optional(above(0))] = None
    """The largest size of the model's folder, in units of 1,000,000 bytes. The folder of an adapter
    does not hold its backbone."""
    licences: Annotated[tuple[str, ...], _NAMES] = ()
    """The accepted licences, such as `Apache-2.0`. The licences of the backbone and of the data
    must both be among them, whatever their case. An unknown licence is not accepted."""
    finite_weights: bool = False
    """Every number of the model's safetensors files must be finite, and every file must have its
    sha256."""

    loads_alone: bool = False
    """The model must answer a question in a process of its own, in which only its own requirements
    can be imported. This takes about ten seconds."""

    def __post_init__(self) -> None:
        check_limits(self)
        require(
            self.champion_margin is not None or not self.margin_needs_fewer_parameters,
            "margin_needs_fewer_parameters",
            self.margin_needs_fewer_parameters,
            "set champion_margin as well",
        )
