"""Linear layers that predict faster on a CPU, because their weights are laid out once for oneDNN.

torch multiplies fp32 matrices on a CPU with MKL, which lays out the weights anew in each call. One
pass over one question is a quarter faster without that (docs/decisions/predict-in-fp32.md).
"""

from typing import Any

import torch


class PackedLinear(torch.nn.Linear):
    """A linear layer with a second copy of its weights, which predicts with that copy.

    It predicts where no gradient is needed and numbers are fp32. Elsewhere, it is a
    torch.nn.Linear. The weights must not change once they are packed.
    """

    _packed: torch.Tensor

    def pack(self) -> None:
        """Makes the copy of the weights."""
        self._packed = torch.ops.mkldnn._reorder_linear_weight(self.weight.detach(), None)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns the same as torch.nn.Linear, but for rounding."""
        is_plain = (
            torch.is_grad_enabled()
            or torch.is_autocast_enabled(x.device.type)
            or x.dtype != torch.float32
        )
        if is_plain:
            return super().forward(x)
        packed: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            x, self._packed, self.bias, "none", [], ""
        )
        return packed


def pack_linear_layers(model: Any) -> None:
    """Packs the linear layers of a model that is only to predict from now on, in place.

    Heads that compute in fp32 whatever the precision is are left as they are.

    Args:
        model: A variant's model. What is no torch.nn.Module, or is not on a CPU, stays as it is.
    """
    if not isinstance(model, torch.nn.Module) or not torch._C._has_mkldnn:
        return
    for layer in model.modules():
        # Subclasses compute something else, for example LoRA.
        if type(layer) is torch.nn.Linear and _can_be_packed(layer.weight):
            layer.__class__ = PackedLinear
            assert isinstance(layer, PackedLinear)
            layer.pack()


def _can_be_packed(weight: torch.Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype == torch.float32
