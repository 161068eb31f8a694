"""Pretrained: the backbone without training, with its own span layer if it has one.

It shows what training has to improve on.
"""

from squadron.models.variants.span import Options, build, load

TRAINS = False
SERVES_AS_ONNX = True

__all__ = ["SERVES_AS_ONNX", "TRAINS", "Options", "build", "load"]
