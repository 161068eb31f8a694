"""Pretrained: the backbone as it comes, with its own span layer if it has one, untrained.

The floor that every table should show: what training has to beat.
"""

from squadron.models.variants.span import Options, build, load

TRAINS = False

__all__ = ["TRAINS", "Options", "build", "load"]
