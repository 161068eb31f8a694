"""Pretrained: the backbone without training, with its own span layer if it has one.

It shows what training has to improve on.
"""

from squadron.models.variants.span import Options, build, load

TRAINS = False

__all__ = ["TRAINS", "Options", "build", "load"]
