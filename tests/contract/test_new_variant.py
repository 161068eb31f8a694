"""Checks that a new variant is one new file: put into the folder, it races."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import squadron
from tests import tiny_models
from tests.limits import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(squadron.__file__).parent

# Exactly what "Adding a variant" of the README asks for.
NEWCOMER = '''"""Newcomer: start and end scores of each token by itself."""

from dataclasses import dataclass

import torch

from squadron.models import backbones
from squadron.models.prediction import best_spans

TRAINS = True


@dataclass(frozen=True)
class Options:
    width: int = 8


class Newcomer(torch.nn.Module):
    def __init__(self, config, options):
        super().__init__()
        self.config = config
        self.embed = torch.nn.Embedding(config.vocab_size, options.width)
        self.score = torch.nn.Linear(options.width, 2)

    def forward(self, batch):
        start_BT, end_BT = self._score(batch)
        entropy = torch.nn.functional.cross_entropy
        return entropy(start_BT, batch.start_token_B) + entropy(end_BT, batch.end_token_B)

    def top_spans(self, batch, n_best, max_answer_tokens):
        return best_spans(*self._score(batch), batch, n_best, max_answer_tokens)

    def save(self, folder):
        from safetensors.torch import save_file

        self.config.save_pretrained(folder)
        save_file(self.state_dict(), folder / "model.safetensors")

    def _score(self, batch):
        scores_BT2 = self.score(self.embed(batch.input_ids_BT)).float()
        outside_BT1 = ~batch.answer_mask_BT()[..., None]
        return scores_BT2.masked_fill(outside_BT1, -1e4).unbind(dim=2)


def build(backbone, options):
    from transformers import AutoConfig

    return Newcomer(backbones.from_pretrained(AutoConfig, backbone), options)


def load(folder, options):
    from safetensors.torch import load_file

    model = build(str(folder), options)
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model
'''


@pytest.mark.slow
def test_a_file_dropped_into_the_folder_races_with_no_other_change(tmp_path: Path) -> None:
    copy = tmp_path / "src" / "squadron"
    shutil.copytree(PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "models" / "variants" / "newcomer.py").write_text(NEWCOMER)
    experiment = {
        "data": {
            "train": str(ROOT / "examples" / "corpus.json"),
            "splits": {"tune": 1, "select": 2, "test": 1},
            "max_train_examples": 40,
        },
        "backbone": tiny_models.write_backbone(tmp_path / "backbone"),
        "windows": {"max_length": 96, "stride": 16, "max_question_length": 24},
        "train": {"epochs": 1},
        "results": str(tmp_path / "results"),
        "evaluate": {"bertscore": True},
        "register": {"demo": True},
        "contenders": [{"variant": "newcomer", "options": {"width": 4}}],
    }
    (tmp_path / "race.yaml").write_text(json.dumps(experiment))
    variables = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    done = subprocess.run(
        [sys.executable, str(ROOT / "pipeline.py"), "run", "race.yaml"],
        cwd=tmp_path,
        # Every step is a process of its own, which must take the package from here, too.
        env={**variables, "PYTHONPATH": str(copy.parent)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    (place,) = tmp_path.glob("results/*/summary/race_result.json")
    rows = {row["label"]: row for row in json.loads(place.read_text())["contenders"]}
    assert rows.keys() == {"newcomer"}
    row = rows["newcomer"]
    assert not row["disqualified"]
    assert row["trainable_parameters"] > 0
    assert "BERT" in done.stdout
    assert 0 <= row["test"]["bertscore_f1"] <= 100
    figures = [f"{row['select'][name]:.2f}" for name in ("exact_match", "f1", "bertscore_f1")]
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("│ newcomer "))
    assert all(figure in line for figure in figures)
