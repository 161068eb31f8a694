"""The section `serving`: in which format the winner is registered."""

from dataclasses import dataclass
from typing import Annotated

from squadron.config.limits import at_least, check_limits, one_of

TORCH = "torch"
"""The format in which every model can be served."""
SERVING_FORMATS = (TORCH, "onnx", "onnx-int8")


@dataclass(frozen=True)
class Serving:
    """In which format the winner is registered."""

    format: Annotated[str, one_of(SERVING_FORMATS)] = TORCH
    """torch serves the model as it was trained. onnx and onnx-int8 write it as a file for ONNX
    Runtime, which is faster on a CPU; onnx-int8 also rounds its weights and activations. Only the
    variants lora, pretrained and span can be served so. A champion keeps its own format."""
    max_exact_match_drop: Annotated[float, at_least(0)] = 0.5
    """Points of EM on select by which another format may be below torch. With a larger drop, the
    model is registered in the format torch."""

    def __post_init__(self) -> None:
        check_limits(self)
