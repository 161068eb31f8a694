"""Runs the steps of one contender by hand, without Kubeflow and without a race in MLflow.

A folder holds what they write: examples/, windows/, model/, candidates/ and evaluation/.
"""

import json
from pathlib import Path

import pytest

from squadron import steps
from squadron.config import Contender, Windows, to_json


def featurize(root: Path, backbone: str, windows: Windows) -> None:
    """Runs featurize on root/examples."""
    entry = {"backbone": backbone, "windows": json.loads(to_json(windows))}
    steps.featurize(entry=json.dumps(entry), examples=root / "examples", windows=root / "windows")


def train_to_evaluate(root: Path, contender: Contender) -> None:
    """Runs train, predict and evaluate on root/examples and root/windows."""
    settings = {"contender": to_json(contender)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(steps.CHECKPOINTS_VARIABLE, str(root / "checkpoints"))
        steps.train(
            **settings, windows=root / "windows", examples=root / "examples", model=root / "model"
        )
    steps.predict(
        **settings, windows=root / "windows", model=root / "model", candidates=root / "candidates"
    )
    steps.evaluate(
        **settings,
        settings="{}",
        examples=root / "examples",
        candidates=root / "candidates",
        evaluation=root / "evaluation",
        figures_file=root / "figures.json",
    )
