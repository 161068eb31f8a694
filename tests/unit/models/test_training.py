import dataclasses
import gc
import json
import math
import os
import random
import signal
import socket
import subprocess
import sys
import traceback
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers.optimization  # noqa: F401 before processes are forked
from safetensors.torch import load_file, save_file
from torch.optim.optimizer import register_optimizer_step_pre_hook

from squadron.config import Train
from squadron.models import checkpoints, training
from squadron.models.batches import WindowSet
from squadron.models.optimizer import trained_parameters
from squadron.models.step_losses import DivergedError
from squadron.models.training import train_model
from squadron.models.variants import span
from squadron.progress import EVENT_PREFIX, EVENTS_VARIABLE
from tests import tiny_models
from tests.limits import PATIENCE_SECONDS

FP32 = Train(epochs=2, batch_size=2, learning_rate=1e-3, precision="fp32")


@pytest.fixture(scope="module", autouse=True)
def _quick_collections():
    """Each training ends with a garbage collection: half a second over all that is imported."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def backbones(tmp_path_factory):
    folder = tmp_path_factory.mktemp("backbones")
    return {
        dropout: tiny_models.write_backbone(folder / str(dropout), hidden_dropout_prob=dropout)
        for dropout in (0.0, 0.3)
    }


@pytest.fixture(scope="module")
def windows(backbones):
    """Eight windows, all answered."""
    examples = tiny_models.make_examples(tiny_models.EIGHT_QUESTIONS)
    return WindowSet(*tiny_models.cut_windows(backbones[0.0], examples))


class Scripted(torch.nn.Module):
    """A matrix and a vector whose losses are scripted; it counts and keeps what it is asked."""

    def __init__(self, loss=lambda model, batch: model.zero()):
        super().__init__()
        self.matrix = torch.nn.Parameter(torch.full((2, 3), 2.0))
        self.vector = torch.nn.Parameter(torch.full((3,), 2.0))
        self.frozen = torch.nn.Parameter(torch.full((2, 2), 2.0), requires_grad=False)
        self.loss = loss
        self.losses = []

    def zero(self):
        """Zero, with a gradient of zero for every trained parameter."""
        return 0 * (self.matrix.sum() + self.vector.sum())

    def forward(self, batch):
        loss = self.loss(self, batch)
        self.losses.append(float(loss.detach()))
        return loss


def script(figures, model=None, seen=None):
    """An `evaluate` that returns these EMs one by one and keeps the weights it judged."""
    remaining = iter(figures)

    def evaluate():
        if seen is not None:
            seen.append({name: p.detach().clone() for name, p in model.named_parameters()})
        return {"exact_match": float(next(remaining)), "f1": 50.0}

    return evaluate


def same_weights(model, weights):
    return all(torch.equal(p, weights[name]) for name, p in model.named_parameters())


def without_speed(run):
    """All of a training but its seconds."""
    log = [{k: v for k, v in row.items() if k != "windows_per_second"} for row in run.log]
    return {**{k: v for k, v in vars(run).items() if k != "seconds"}, "log": log}


@pytest.fixture
def captured_steps():
    """What each optimizer step is given: gradients by shape order, and the learning rate."""
    steps = []

    def keep(optimizer, *_):
        groups = optimizer.param_groups
        gradients = [
            p.grad.clone() for group in groups for p in group["params"] if p.grad is not None
        ]
        steps.append((gradients, groups[0]["lr"], optimizer))

    handle = register_optimizer_step_pre_hook(keep)
    yield steps
    handle.remove()


# Resuming


@pytest.mark.slow
def test_a_training_killed_at_random_ends_with_the_weights_and_log_of_an_unbroken_one(
    tmp_path, backbones
):
    seed = int.from_bytes(os.urandom(4), "little")
    draw = random.Random(seed)
    # An event is a pass, or a checkpoint that is being written. The fifth event is the first
    # checkpoint.
    kills = [11, *(draw.randint(0, 11) for _ in range(5))]
    draw.shuffle(kills)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, str(tmp_path), backbones[0.3], json.dumps(kills)]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert done.returncode == 0, done.stderr

    results = [tmp_path / name for name in ("unbroken", "killed")]
    unbroken, killed = (json.loads((path / "result.json").read_text()) for path in results)
    assert killed.pop("events") < unbroken.pop("events"), "the last process had all to do"
    assert killed == unbroken, f"seed {seed}, kills {kills}"
    assert unbroken["step"] == 12
    assert len([row for row in unbroken["log"] if "train_loss" in row]) == 6
    ours, theirs = (load_file(path / "result.safetensors") for path in results)
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), f"{name}, seed {seed}, kills {kills}"


def run_with_kills(folder: Path, backbone: str, kills: list[int]) -> None:
    """Trains in child processes that kill themselves after so many events, but for the last one.

    A child has the windows, builds its own model and knows of the training what the files say.
    Children are forked here, where everything is imported and nothing was ever trained: as many
    interpreters would take half a minute to start.
    """
    folder.mkdir()
    examples = tiny_models.make_examples(tiny_models.EIGHT_QUESTIONS * 2)
    windows, layout = tiny_models.cut_windows(backbone, examples)
    span.build(backbone, span.Options())  # imports what it needs
    for events in (*kills, sys.maxsize):
        child = os.fork()
        if not child:
            try:
                _train_once(folder, backbone, (windows, layout, examples), events)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(not (folder / "result.json").exists())
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        expected = 0 if events == sys.maxsize else -signal.SIGKILL
        if status != expected:
            raise RuntimeError(f"a child ended with {status}, not {expected}")


def _train_once(folder: Path, backbone: str, tables: tuple, events: int) -> None:
    windows, layout, _ = tables
    done = 0

    def live_or_die() -> None:
        nonlocal done
        if done == events:
            os.kill(os.getpid(), signal.SIGKILL)
        done += 1

    class MortalWindows(WindowSet):
        def collate(self, rows):
            live_or_die()
            return super().collate(rows)

    def save_half_first(tensors, path):
        save_file(tensors, path)
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        live_or_die()
        path.write_bytes(content)

    checkpoints.save_file = save_half_first
    training.PASS_TOKENS = {"cpu": 64}  # one window of 64 tokens a pass, or two of 32
    training.POINTS_PER_EPOCH = 2
    model = span.build(backbone, span.Options(attention_dropout=0.1))
    settings = dataclasses.replace(
        FP32, epochs=3, gradient_accumulation=2, checkpoint_minutes=0, learning_rate=3e-3
    )
    run = train_model(
        model,
        MortalWindows(windows, layout),
        settings,
        evaluate=tiny_models.make_judge(model, *tables),
        checkpoints=folder / "checkpoints",
    )
    save_file(model.state_dict(), folder / "result.safetensors")
    state = {**without_speed(run), "events": done}
    (folder / "result.json").write_text(json.dumps(state))


def test_a_finished_training_returns_at_once_with_the_same_result(tmp_path, backbones, windows):
    first = span.build(backbones[0.3], span.Options())
    run = train_model(first, windows, FP32, evaluate=script([10, 20]), checkpoints=tmp_path)

    second = span.build(backbones[0.3], span.Options())
    second.forward = None
    again = train_model(second, windows, FP32, evaluate=None, checkpoints=tmp_path)

    assert vars(again) == vars(run)
    assert same_weights(second, dict(first.named_parameters()))


def test_a_training_cut_short_goes_on_to_the_same_weights(tmp_path, backbones, windows):
    settings = dataclasses.replace(FP32, epochs=4)
    whole = span.build(backbones[0.3], span.Options())
    expected = train_model(
        whole, windows, settings, evaluate=script([1, 2, 3, 4]), checkpoints=tmp_path / "whole"
    )

    half = span.build(backbones[0.3], span.Options())
    with pytest.raises(StopIteration):  # the script ends in the second epoch
        train_model(half, windows, settings, evaluate=script([1]), checkpoints=tmp_path / "cut")
    other = span.build(backbones[0.3], span.Options())
    run = train_model(
        other, windows, settings, evaluate=script([2, 3, 4]), checkpoints=tmp_path / "cut"
    )

    assert without_speed(run) == without_speed(expected)
    assert same_weights(other, dict(whole.named_parameters()))


def tear(path):
    content = (path / "tensors.safetensors").read_bytes()
    (path / "tensors.safetensors").write_bytes(content[:-100])


def test_a_torn_last_checkpoint_costs_an_epoch_and_changes_nothing(tmp_path, backbones, windows):
    settings = dataclasses.replace(FP32, epochs=3)
    first = span.build(backbones[0.3], span.Options())
    run = train_model(first, windows, settings, evaluate=script([1, 2, 3]), checkpoints=tmp_path)
    tear(sorted(tmp_path.glob("step-*"))[-1])

    second = span.build(backbones[0.3], span.Options())
    again = train_model(second, windows, settings, evaluate=script([3]), checkpoints=tmp_path)

    assert without_speed(again) == without_speed(run)
    assert same_weights(second, dict(first.named_parameters()))


def test_a_torn_best_checkpoint_is_replaced_by_the_best_before_it_and_reported_so(
    tmp_path, windows
):
    model, seen = Scripted(lambda m, b: m.matrix.sum() + m.vector.sum()), []
    settings = dataclasses.replace(FP32, epochs=3)
    train_model(
        model, windows, settings, evaluate=script([1, 2, 0], model, seen), checkpoints=tmp_path
    )
    tear(tmp_path / "best-0002")

    other = Scripted()
    run = train_model(other, windows, settings, evaluate=None, checkpoints=tmp_path)

    assert same_weights(other, seen[0])
    assert (run.best_epoch, run.best_exact_match) == (1, 1.0)


def test_without_any_best_checkpoint_the_folder_to_remove_is_named(tmp_path, windows):
    train_model(Scripted(), windows, FP32, evaluate=script([1, 2]), checkpoints=tmp_path)
    for path in tmp_path.glob("best-*"):
        tear(path)
    with pytest.raises(RuntimeError, match=f"No whole best checkpoint .* {tmp_path}; remove"):
        train_model(Scripted(), windows, FP32, evaluate=None, checkpoints=tmp_path)


def test_a_checkpoint_of_another_model_is_refused(tmp_path, backbones, windows):
    train_model(Scripted(), windows, FP32, evaluate=script([1, 2]), checkpoints=tmp_path)
    model = span.build(backbones[0.0], span.Options())
    with pytest.raises(ValueError, match="weights are of another model; they differ in"):
        train_model(model, windows, FP32, evaluate=None, checkpoints=tmp_path)


def test_a_training_depends_on_its_seed_and_not_on_what_was_drawn_before(
    tmp_path, backbones, windows
):
    weights = {}
    for name, seed, drawn in (("a", 1, 5), ("b", 1, 6), ("c", 2, 5)):
        model = span.build(backbones[0.3], span.Options())
        torch.manual_seed(drawn)
        settings = dataclasses.replace(FP32, seed=seed)
        train_model(model, windows, settings, evaluate=script([1, 2]), checkpoints=tmp_path / name)
        weights[name] = dict(model.named_parameters())
    assert all(torch.equal(p, weights["b"][name]) for name, p in weights["a"].items())
    assert not all(torch.equal(p, weights["c"][name]) for name, p in weights["a"].items())


# Gradients


def gradients_of(captured_steps, backbone, windows, folder, **changes):
    captured_steps.clear()
    settings = dataclasses.replace(FP32, epochs=1, batch_size=8, warmup_share=0, max_grad_norm=1e9)
    settings = dataclasses.replace(settings, **changes)
    model = span.build(backbone, span.Options())
    train_model(model, windows, settings, evaluate=script([1]), checkpoints=folder)
    return [gradients for gradients, _, _ in captured_steps]


def assert_close(ours, theirs):
    scale = max(float(gradient.abs().max()) for gradient in theirs)
    assert scale > 0.1
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert torch.allclose(mine, other, rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize(("limit", "passes"), [(3 * 48, 3), (48, 8), (1, 8)])
def test_a_batch_in_parts_has_the_gradient_of_one_pass(
    tmp_path, backbones, windows, captured_steps, monkeypatch, limit, passes
):
    (whole,) = gradients_of(captured_steps, backbones[0.0], windows, tmp_path / "whole")
    collated = []
    collate = windows.collate
    monkeypatch.setattr(windows, "collate", lambda rows: collated.append(rows) or collate(rows))
    monkeypatch.setattr(training, "PASS_TOKENS", {"cpu": limit})

    (parts,) = gradients_of(captured_steps, backbones[0.0], windows, tmp_path / "parts")

    # Three parts of eight windows are of different size: each counts by its windows.
    assert sorted(map(len, collated), reverse=True) == ([3, 3, 2] if passes == 3 else [1] * 8)
    assert_close(parts, whole)


def test_accumulated_batches_have_the_gradient_of_one_batch(
    tmp_path, backbones, windows, captured_steps
):
    (whole,) = gradients_of(captured_steps, backbones[0.0], windows, tmp_path / "whole")
    (accumulated,) = gradients_of(
        captured_steps,
        backbones[0.0],
        windows,
        tmp_path / "accumulated",
        batch_size=2,
        gradient_accumulation=4,
    )
    assert_close(accumulated, whole)


def test_the_last_update_of_an_epoch_averages_the_batches_it_has(
    tmp_path, backbones, windows, captured_steps
):
    model = Scripted(lambda m, b: m.matrix.sum())
    settings = dataclasses.replace(FP32, epochs=1, gradient_accumulation=3, max_grad_norm=1e9)
    run = train_model(model, windows, settings, evaluate=script([1]), checkpoints=tmp_path)
    # There are four batches of two: one update has three of them, the other has one.
    assert run.step == 2
    assert run.windows_seen == 8
    assert [row["epoch"] for row in run.log] == [0.75, 1.0, 1.0]
    for gradients, _, _ in captured_steps:
        assert torch.allclose(gradients[0], torch.ones(2, 3))


def test_gradients_are_clipped_to_the_norm(tmp_path, backbones, windows, captured_steps):
    (gradients,) = gradients_of(
        captured_steps, backbones[0.0], windows, tmp_path, max_grad_norm=0.01
    )
    norm = math.sqrt(sum(float(g.square().sum()) for g in gradients))
    assert norm == pytest.approx(0.01, rel=1e-3)


def test_an_epoch_has_every_window_once_and_its_own_batches(tmp_path, windows, monkeypatch):
    collated = []
    collate = windows.collate
    monkeypatch.setattr(windows, "collate", lambda rows: collated.append(rows) or collate(rows))
    settings = dataclasses.replace(FP32, batch_size=3, epochs=3)
    train_model(Scripted(), windows, settings, evaluate=script([1, 2, 3]), checkpoints=tmp_path)

    epochs = [collated[i : i + 3] for i in (0, 3, 6)]
    assert len(collated) == 9
    for batches in epochs:
        assert sorted(row for rows in batches for row in rows) == list(range(8))
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]


# Schedule, decay, log


@pytest.mark.parametrize("warmup_share", [0.0, 0.25])
def test_the_learning_rate_rises_and_falls_linearly(
    tmp_path, windows, captured_steps, warmup_share
):
    settings = dataclasses.replace(FP32, epochs=3, learning_rate=0.5, warmup_share=warmup_share)
    run = train_model(
        Scripted(), windows, settings, evaluate=script([1, 2, 3]), checkpoints=tmp_path
    )

    # 8 windows with 2 per batch make 12 steps in 3 epochs.
    warmup = 12 * warmup_share
    expected = [
        0.5 * (step / warmup if step < warmup else (12 - step) / (12 - warmup))
        for step in range(13)
    ]
    assert [rate for _, rate, _ in captured_steps] == pytest.approx(expected[:12])
    logged = {row["step"]: row["learning_rate"] for row in run.log if "learning_rate" in row}
    assert logged == pytest.approx({step: expected[step] for step in range(1, 13)})


def test_weight_decay_shrinks_matrices_alone(tmp_path, windows, captured_steps):
    model = Scripted()
    settings = dataclasses.replace(FP32, learning_rate=0.1, weight_decay=0.2, warmup_share=0)
    train_model(model, windows, settings, evaluate=script([1, 2]), checkpoints=tmp_path)

    # The gradient is zero, so each step only multiplies by 1 - rate * decay.
    expected = 2.0 * math.prod(1 - 0.1 * (8 - step) / 8 * 0.2 for step in range(8))
    assert torch.allclose(model.matrix, torch.full((2, 3), expected), rtol=1e-5)
    assert torch.equal(model.vector, torch.full((3,), 2.0))
    assert torch.equal(model.frozen, torch.full((2, 2), 2.0))


def test_frozen_weights_are_neither_changed_nor_saved(tmp_path, backbones, windows):
    model = span.build(backbones[0.0], span.Options())
    model.network.bert.requires_grad_(False)
    before = {name: p.clone() for name, p in model.named_parameters()}

    train_model(model, windows, FP32, evaluate=script([1, 2]), checkpoints=tmp_path)

    heads = {"network.qa_outputs.weight", "network.qa_outputs.bias"}
    assert trained_parameters(model).keys() == heads
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name]) == (name not in heads)
    saved = load_file(sorted(tmp_path.glob("step-*"))[-1] / "tensors.safetensors")
    assert {name for name in saved if name.startswith("weights/")} == {
        f"weights/{name}" for name in heads
    }


def test_the_log_has_twenty_points_an_epoch_and_the_figures_of_tune(tmp_path, windows, monkeypatch):
    monkeypatch.setattr(training, "POINTS_PER_EPOCH", 2)
    model = Scripted(lambda m, b: m.matrix.sum() * float(len(m.losses) + 1))
    settings = dataclasses.replace(FP32, batch_size=1, warmup_share=0.5)
    points = []
    run = train_model(
        model,
        windows,
        settings,
        evaluate=script([12.5, 37.5]),
        checkpoints=tmp_path,
        on_point=points.append,
    )

    assert points == run.log
    # An epoch has 8 updates, with a point after every fourth one.
    assert [(row["step"], row["epoch"]) for row in run.log] == [
        (4, 0.5), (8, 1.0), (8, 1.0), (12, 1.5), (16, 2.0), (16, 2.0)
    ]  # fmt: skip
    losses = [row["train_loss"] for row in run.log if "train_loss" in row]
    assert losses == pytest.approx([np.mean(model.losses[i : i + 4]) for i in (0, 4, 8, 12)])
    assert [row for row in run.log if "tune_f1" in row] == [
        {"step": 8, "epoch": 1.0, "tune_exact_match": 12.5, "tune_f1": 50.0},
        {"step": 16, "epoch": 2.0, "tune_exact_match": 37.5, "tune_f1": 50.0},
    ]
    assert training.Training().windows_per_second == 0
    assert run.windows_per_second == pytest.approx(16 / run.seconds)


def test_a_launcher_is_told_the_epoch_and_what_an_earlier_try_did(
    tmp_path, windows, monkeypatch, capsys
):
    monkeypatch.setenv(EVENTS_VARIABLE, "1")

    def train_and_listen():
        judge = script([50, 60])
        train_model(Scripted(), windows, FP32, evaluate=judge, checkpoints=tmp_path)
        lines = capsys.readouterr().out.splitlines()
        return [json.loads(line.removeprefix(EVENT_PREFIX)) for line in lines]

    events = train_and_listen()
    stages = dict.fromkeys(event["stage"] for event in events)
    assert list(stages) == ["epoch 1/2", "epoch 1/2 on tune", "epoch 2/2", "epoch 2/2 on tune"]
    ends = [event for event in events if event["has_ended"]]
    assert [(end["first"], end["done"], end["total"]) for end in ends] == [(0, 16, 16)]
    assert ends[0]["figures"]["tune EM"] == 60
    (again,) = train_and_listen()
    assert (again["first"], again["done"]) == (16, 16)


def test_a_small_training_has_a_point_for_every_step(tmp_path, windows):
    run = train_model(Scripted(), windows, FP32, evaluate=script([1, 2]), checkpoints=tmp_path)
    assert [row["step"] for row in run.log if "train_loss" in row] == list(range(1, 9))


# The best epoch


def count_up(model, batch):
    """A loss whose gradient moves every weight at every step."""
    return (model.matrix.sum() + model.vector.sum()) * 0.1


@pytest.mark.parametrize(
    ("figures", "best"), [([10, 30, 20], 2), ([0, 0, 0], 1), ([1, 2, 3], 3), ([5, 5, 4], 1)]
)
def test_the_weights_of_the_best_epoch_are_what_remains(tmp_path, windows, figures, best):
    model, seen = Scripted(count_up), []
    settings = dataclasses.replace(FP32, epochs=3, warmup_share=0)
    run = train_model(
        model, windows, settings, evaluate=script(figures, model, seen), checkpoints=tmp_path
    )

    assert (run.epoch, run.best_epoch) == (3, best)
    assert run.best_exact_match == figures[best - 1]
    assert same_weights(model, seen[best - 1])
    assert not same_weights(model, seen[best % 3])


def test_f1_decides_between_epochs_of_the_same_em(tmp_path, windows):
    rows = iter([(20.0, 40.0), (20.0, 60.0), (20.0, 50.0), (10.0, 90.0)])

    def evaluate():
        exact, f1 = next(rows)
        return {"exact_match": exact, "f1": f1}

    settings = dataclasses.replace(FP32, epochs=4)
    run = train_model(
        Scripted(count_up), windows, settings, evaluate=evaluate, checkpoints=tmp_path
    )
    assert (run.best_epoch, run.best_exact_match) == (2, 20.0)


def test_epochs_that_answer_nothing_are_told_apart_by_what_they_would_answer(tmp_path, windows):
    rows = iter([10.0, 30.0, 20.0])

    def evaluate():
        return {"exact_match": 25.0, "f1": 25.0, "answerable_f1": next(rows)}

    settings = dataclasses.replace(FP32, epochs=3)
    run = train_model(
        Scripted(count_up), windows, settings, evaluate=evaluate, checkpoints=tmp_path
    )
    assert (run.best_epoch, run.best_exact_match) == (2, 25.0)


@pytest.mark.parametrize(("patience", "epochs"), [(0, 6), (1, 3), (2, 5), (3, 6)])
def test_training_stops_after_as_many_epochs_without_a_better_one(
    tmp_path, windows, patience, epochs
):
    model, seen = Scripted(count_up), []
    settings = dataclasses.replace(FP32, epochs=6, patience=patience)
    figures = [10, 30, 20, 40, 40, 40] if patience == 3 else [10, 30, 20, 30, 50, 1]
    if patience == 2:
        figures = [10, 20, 30, 30, 5, 99]
    run = train_model(
        model, windows, settings, evaluate=script(figures, model, seen), checkpoints=tmp_path
    )
    assert run.epoch == len(seen) == epochs
    assert run.best_epoch == 1 + int(np.argmax(figures[:epochs]))
    assert same_weights(model, seen[run.best_epoch - 1])

    again = train_model(Scripted(), windows, settings, evaluate=None, checkpoints=tmp_path)
    assert vars(again) == vars(run), "an early stop is final"


def test_the_monitored_loss_decides_which_epoch_is_kept_and_when_to_stop(tmp_path, windows):
    rows = iter([(10.0, 3.0), (5.0, 1.0), (50.0, 2.0), (60.0, 1.5), (70.0, 1.2)])

    def evaluate():
        exact, loss = next(rows)
        return {"exact_match": exact, "f1": exact, "eval_loss": loss}

    settings = dataclasses.replace(FP32, epochs=5, patience=2, monitor="eval_loss")
    run = train_model(
        Scripted(count_up), windows, settings, evaluate=evaluate, checkpoints=tmp_path
    )
    assert (run.epoch, run.best_epoch, run.best_exact_match) == (4, 2, 5.0)
    assert [row["tune_eval_loss"] for row in run.log if "tune_eval_loss" in row] == [3, 1, 2, 1.5]


def test_where_epochs_are_not_compared_none_is_judged_and_the_last_one_is_kept(tmp_path, windows):
    settings = dataclasses.replace(FP32, epochs=3, patience=1, monitor="epoch")
    judged = Scripted(count_up)
    seen = []
    evaluate = script([30, 40, 50], judged, seen)
    each = dataclasses.replace(settings, monitor="exact_match")
    train_model(judged, windows, each, evaluate=evaluate, checkpoints=tmp_path / "judged")

    model = Scripted(count_up)
    run = train_model(model, windows, settings, evaluate=None, checkpoints=tmp_path / "not")
    assert (run.epoch, run.best_epoch, run.best_exact_match) == (3, 3, None)
    assert same_weights(model, seen[2])
    assert not any(name.startswith("tune_") for row in run.log for name in row)

    again = train_model(Scripted(), windows, settings, evaluate=None, checkpoints=tmp_path / "not")
    assert vars(again) == vars(run)


# Divergence


def test_the_first_loss_that_is_not_finite_stops_the_training(tmp_path, windows):
    def loss(model, batch):
        return model.zero() + (math.nan if len(model.losses) == 5 else 1.0)

    model = Scripted(loss)
    with pytest.raises(DivergedError, match=r"^the loss became nan at step 6$"):
        train_model(model, windows, FP32, evaluate=script([1]), checkpoints=tmp_path)
    assert len(model.losses) == 6


def test_an_infinite_loss_in_one_part_of_a_batch_stops_the_training(tmp_path, windows, monkeypatch):
    monkeypatch.setattr(training, "PASS_TOKENS", {"cpu": 1})

    def loss(model, batch):
        assert len(batch.input_ids_BT) == 1
        return model.zero() + (-math.inf if len(model.losses) == 1 else 1.0)

    with pytest.raises(DivergedError, match=r"^the loss became -inf at step 1$"):
        train_model(Scripted(loss), windows, FP32, evaluate=None, checkpoints=tmp_path)


def test_a_learning_rate_beyond_reason_is_a_divergence_every_time(tmp_path, backbones, windows):
    settings = dataclasses.replace(FP32, learning_rate=1e30, epochs=8)
    for _ in range(2):
        model = span.build(backbones[0.0], span.Options())
        with pytest.raises(DivergedError, match=r"not finite|became"):
            train_model(model, windows, settings, evaluate=script(range(8)), checkpoints=tmp_path)


def test_weights_that_are_not_finite_are_never_judged_nor_kept(tmp_path, windows):
    # The loss is 0, but its gradient is NaN.
    model = Scripted(lambda m, b: m.zero().square().sqrt())
    with pytest.raises(DivergedError, match=r"^the weights matrix are not finite$"):
        train_model(
            model,
            windows,
            dataclasses.replace(FP32, batch_size=8),
            evaluate=None,
            checkpoints=tmp_path,
        )
    assert not list(tmp_path.glob("*"))


def train_on_one_of_two_processes(rank, port, folder, backbone, bad_process, results):
    """One of two processes with gloo, as torchrun would start it."""
    environment = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 2}
    environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "ACCELERATE_USE_CPU": 1}
    os.environ.update({name: str(value) for name, value in environment.items()})
    training.PASS_TOKENS = {"cpu": 64}  # two passes a batch: the first one does not synchronise
    examples = tiny_models.make_examples(tiny_models.EIGHT_QUESTIONS)
    windows = WindowSet(*tiny_models.cut_windows(backbone, examples))
    passes = []

    def loss(model, batch):
        passes.append(batch)
        is_bad = rank == bad_process and len(passes) == 3
        return count_up(model, batch) * (math.nan if is_bad else 1.0)

    model, outcome = Scripted(loss), "finished"
    try:
        train_model(model, windows, FP32, evaluate=script([1, 2]), checkpoints=folder)
    except DivergedError as error:
        outcome = str(error)
    results.put((rank, outcome, len(passes), model.matrix.detach().tolist()))
    torch.distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize("bad_process", [0, 1, None])
def test_a_loss_that_is_not_finite_on_one_process_stops_both(tmp_path, backbones, bad_process):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    context = torch.multiprocessing.get_context("spawn")
    results = context.Queue()
    processes = [
        context.Process(
            target=train_on_one_of_two_processes,
            args=(rank, port, tmp_path / "run", backbones[0.0], bad_process, results),
        )
        for rank in (0, 1)
    ]
    for process in processes:
        process.start()
    try:
        # A busy machine needs far less time. A process that hangs would wait for 30 minutes.
        rows = sorted(results.get(timeout=400) for _ in processes)
        for process in processes:
            process.join(timeout=100)
        assert [process.exitcode for process in processes] == [0, 0]
    finally:
        for process in processes:
            process.kill()
    outcomes = [outcome for _, outcome, _, _ in rows]
    if bad_process is None:
        assert outcomes == ["finished", "finished"]
    else:
        # A step has two passes, so the third pass is part of the second step.
        assert outcomes == [f"the loss became nan at step 2 on process {bad_process}"] * 2
        assert [passes for _, _, passes, _ in rows] == [4, 4]
    assert rows[0][3] == rows[1][3], "the processes have the same weights"


# Precision


def test_trainings_of_different_precision_follow_each_other_in_one_process(
    tmp_path, backbones, windows
):
    weights, seen = {}, []
    for name, precision in (("a", "fp32"), ("b", "bf16"), ("c", "fp32")):
        model = span.build(backbones[0.0], span.Options())
        # The head always computes in fp32, so an inner layer is observed.
        inner = model.network.bert.encoder.layer[0].output.dense
        hook = inner.register_forward_hook(lambda module, given, output: seen.append(output.dtype))
        settings = dataclasses.replace(FP32, precision=precision)
        train_model(model, windows, settings, evaluate=script([1, 2]), checkpoints=tmp_path / name)
        hook.remove()
        weights[name] = dict(model.named_parameters())
    assert seen == [torch.float32] * 8 + [torch.bfloat16] * 8 + [torch.float32] * 8
    assert all(torch.equal(p, weights["c"][name]) for name, p in weights["a"].items())
    assert not all(torch.equal(p, weights["b"][name]) for name, p in weights["a"].items())
    assert {p.dtype for p in weights["b"].values()} == {torch.float32}


def test_a_trained_model_computes_as_a_fresh_one_with_its_weights(tmp_path, backbones, windows):
    model = span.build(backbones[0.0], span.Options())
    settings = dataclasses.replace(FP32, precision="bf16")
    train_model(model, windows, settings, evaluate=script([1, 2]), checkpoints=tmp_path)
    fresh = span.build(backbones[0.0], span.Options())
    fresh.load_state_dict(model.state_dict())
    batch = windows.collate(range(8))
    # Weights that were still rounded to bf16 would differ in the third digit.
    assert torch.allclose(model.eval()(batch), fresh.eval()(batch), rtol=1e-5)


def test_no_windows_are_too_few(tmp_path, backbones):
    examples = tiny_models.make_examples(tiny_models.EIGHT_QUESTIONS)
    table, layout = tiny_models.cut_windows(backbones[0.0], examples)
    none = WindowSet(table.slice(0, 0), layout)
    with pytest.raises(ValueError, match="0 windows are too few for 1 processes"):
        train_model(Scripted(), none, FP32, evaluate=None, checkpoints=tmp_path)


if __name__ == "__main__":
    place, tiny_backbone, listed = sys.argv[1:]
    run_with_kills(Path(place) / "unbroken", tiny_backbone, [])
    run_with_kills(Path(place) / "killed", tiny_backbone, json.loads(listed))
