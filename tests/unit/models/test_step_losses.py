import math

import pytest
import torch

from squadron.config import Train
from squadron.models.batches import WindowSet
from squadron.models.optimizer import trained_parameters
from squadron.models.step_losses import DivergedError, StepLosses
from squadron.models.training import train_model
from squadron.models.variants import span
from tests import tiny_models


class Process:
    """An accelerator as StepLosses sees it: a device, and the losses of all processes."""

    def __init__(self, device, *others, process_index=0):
        self.device = torch.device(device)
        self.process_index = process_index
        self.others = others

    def gather(self, loss):
        return torch.cat([loss, *(torch.tensor([value]) for value in self.others)])


def test_a_cpu_reads_a_loss_at_once():
    losses = StepLosses(Process("cpu"))
    assert losses.add(0, torch.tensor(1.5)) == [1.5]
    assert losses.read() == []


def test_a_gpu_reads_a_loss_after_the_next_step_was_sent():
    losses = StepLosses(Process("cuda"))
    assert losses.add(0, torch.tensor(1.0)) == []
    assert losses.add(1, torch.tensor(2.0)) == [1.0]
    assert losses.add(2, torch.tensor(3.0)) == [2.0]
    assert losses.read() == [3.0]
    assert losses.read() == []


def test_a_loss_that_is_not_finite_names_its_own_step():
    losses = StepLosses(Process("cuda"))
    losses.add(6, torch.tensor(math.nan))
    with pytest.raises(DivergedError, match=r"^the loss became nan at step 7$"):
        losses.add(7, torch.tensor(1.0))


def test_a_loss_of_another_process_stops_this_one():
    losses = StepLosses(Process("cpu", math.inf))
    with pytest.raises(DivergedError, match=r"^the loss became inf at step 1 on process 1$"):
        losses.add(0, torch.tensor(1.0))


def test_each_process_keeps_its_own_loss():
    gathered = Process("cpu", 2.0, process_index=1)
    assert StepLosses(gathered).add(0, torch.tensor(1.0)) == [2.0]


def test_a_training_that_reads_late_ends_with_the_same_log_and_weights(tmp_path, monkeypatch):
    backbone = tiny_models.write_backbone(tmp_path / "backbone", hidden_dropout_prob=0.1)
    examples = tiny_models.make_examples(tiny_models.EIGHT_QUESTIONS)
    windows = WindowSet(*tiny_models.cut_windows(backbone, examples))
    settings = Train(epochs=2, batch_size=2, learning_rate=1e-3, precision="fp32")

    def train(folder):
        torch.manual_seed(1)
        model = span.build(backbone, span.Options())
        run = train_model(
            *(model, windows, settings),
            evaluate=lambda: {"exact_match": 1.0, "f1": 1.0},
            checkpoints=tmp_path / folder,
        )
        points = [{k: v for k, v in row.items() if k != "windows_per_second"} for row in run.log]
        return points, {name: p.clone() for name, p in trained_parameters(model).items()}

    points, weights = train("at once")

    class Late(StepLosses):
        def __init__(self, accelerator):
            super().__init__(accelerator)
            self._is_late = True

    monkeypatch.setattr("squadron.models.training.StepLosses", Late)
    late_points, late_weights = train("late")
    assert late_points == points
    assert all(torch.equal(weights[name], late_weights[name]) for name in weights)
