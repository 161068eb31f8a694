"""Numbers that are not finite are counted in every safetensors file of a folder."""

import torch
from safetensors.torch import save_file

from squadron.models.weights import count_not_finite


def test_infinite_numbers_and_nan_are_counted_in_all_files_and_types(tmp_path):
    (tmp_path / "champion").mkdir()
    whole = {"a": torch.ones(3), "ids": torch.arange(4)}
    save_file(whole, tmp_path / "model.safetensors")
    assert count_not_finite(tmp_path) == 0
    broken = torch.tensor([float("nan"), 1.0, float("-inf")])
    save_file(whole | {"b": broken.to(torch.bfloat16)}, tmp_path / "model.safetensors")
    save_file({"c": broken}, tmp_path / "champion" / "head.safetensors")
    assert count_not_finite(tmp_path) == 4
