"""Checks that tests/another_processor does what tests/processors.sh needs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "another_processor"
CODE = """
import torch
from squadron.models import devices
torch.manual_seed(5)
print(devices.uses_bf16(torch.device("cpu"), "auto"), torch.initial_seed())
"""


@pytest.mark.slow
def test_processes_are_told_of_bf16_and_of_other_seeds():
    plain = {k: v for k, v in os.environ.items() if not k.startswith("AS_IF_")}
    path = os.pathsep.join([str(FOLDER), *sys.path])
    variables = {"AS_IF_BF16": "1", "AS_IF_SEED": "2", "PYTHONPATH": path}
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        env=plain | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["True", "7"]
