"""Runs whole small races on this machine for tests, and reads what they leave."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.limits import PATIENCE_SECONDS
from tests.stores import make_store

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "examples" / "corpus.json"


def command(folder: Path, *more: str) -> list[str]:
    """Returns the command that runs the race of tiny.yaml in a folder, with more arguments."""
    return [
        sys.executable,
        str(ROOT / "pipeline.py"),
        "run",
        str(folder / "tiny.yaml"),
        *more,
    ]


def run(folder: Path, *more: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Runs the race of tiny.yaml in a folder, with more arguments and environment variables."""
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"} | variables
    return subprocess.run(
        command(folder, *more),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def write_backbone(folder: Path) -> None:
    """Writes a random 2-layer BERT with the tokenizer of the offline default."""
    import torch
    from transformers import BertConfig, BertModel

    from squadron.models import backbones, minilm

    torch.manual_seed(0)
    small = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    BertModel(BertConfig(intermediate_size=64, **small)).save_pretrained(folder)
    backbones.load_tokenizer(minilm.NAME).save_pretrained(folder)


def write_experiment(
    folder: Path,
    contenders: list[object],
    epochs: int = 2,
    *,
    has_store: bool = True,
    checkpoint_minutes: float = 30.0,
) -> None:
    """Writes tiny.yaml and its backbone.

    Args:
        folder: The folder in which the race will run.
        contenders: The contenders as in an experiment file.
        epochs: The number of epochs of each training.
        has_store: Whether the MLflow store exists before the first race.
        checkpoint_minutes: The time between two checkpoints.
    """
    if has_store:
        make_store(folder / "runs")
    backbone = folder / "backbone"
    if not backbone.exists():
        write_backbone(backbone)
    experiment = {
        "data": {
            "train": str(CORPUS),
            "splits": {"tune": 2, "select": 2, "test": 2},
            "max_train_examples": 120,
            "licence": "CC0-1.0",
        },
        "backbone": str(backbone),
        "windows": {"max_length": 128, "stride": 32},
        # In single precision on every processor, because some tests compare all answers.
        "train": {
            "epochs": epochs,
            "learning_rate": 0.001,
            "checkpoint_minutes": checkpoint_minutes,
            "precision": "fp32",
        },
        "predict": {"precision": "fp32"},
        "results": str(folder / "results"),
        "register": {"demo": True},
        "contenders": contenders,
    }
    (folder / "tiny.yaml").write_text(json.dumps(experiment))


def client(folder: Path) -> "MlflowClient":
    """Returns a client of the store of the races in a folder."""
    from mlflow import MlflowClient

    return MlflowClient(f"sqlite:///{folder}/runs/mlflow.db")


def runs_of(folder: Path, name: str = "tiny") -> "dict[str, Run]":
    """Returns the MLflow runs of an experiment by their names."""
    mlflow = client(folder)
    experiment = mlflow.get_experiment_by_name(name)
    found = mlflow.search_runs([experiment.experiment_id])
    return {r.info.run_name: r for r in found}


def evaluation(folder: Path, label: str) -> Path:
    """Returns the folder in which the race published the evaluation of a contender."""
    (place,) = (folder / "results").glob(f"*/{label}/evaluation")
    return place
