"""One training loop for every variant, on accelerate: resume, early stopping, best epoch kept.

accelerate brings devices and distribution; the loop itself is here because it must
group windows by length, stop at the first non-finite loss, judge each epoch as the race does and
resume to the same weights after a kill (docs/decisions/training-loop.md).
"""

import contextlib
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from squadron.config import Train
from squadron.models.batches import WindowSet, group_by_length
from squadron.models.checkpoints import load_latest, save_checkpoint
from squadron.models.devices import PASS_TOKENS, autocast, pick_device
from squadron.models.optimizer import (
    load_trained,
    make_optimizer,
    restore,
    scheduler_state,
    trained_parameters,
    training_tensors,
)
from squadron.progress import Progress

logger = logging.getLogger(__name__)

POINTS_PER_EPOCH = 20
"""Points of the loss curve in an epoch."""


class DivergedError(RuntimeError):
    """The model failed as a model (its loss or weights are not finite): it is disqualified."""


@dataclass
class Training:
    """What came of a training; also its state while it runs."""

    step: int = 0
    """Optimizer steps done."""
    epoch: int = 0
    """Epochs begun and finished."""
    batches_done: int = 0
    """Batches done of the epoch under way."""
    seconds: float = 0.0
    """In training steps alone: no evaluation, no saving."""
    windows_seen: int = 0
    best_score: list[float] = field(default_factory=list)
    """Of the best epoch, in what `Train.monitor` names; more is better, the first number first."""
    best_exact_match: float = -1.0
    """Of the best epoch."""
    best_epoch: int = 0
    log: list[dict[str, float]] = field(default_factory=list)
    """One row per point: step, epoch, and loss or the tune split's figures."""

    @property
    def windows_per_second(self) -> float:
        """Over all training steps."""
        return self.windows_seen / self.seconds if self.seconds else 0.0


def train_model(
    model: Any,
    windows: WindowSet,
    settings: Train,
    *,
    evaluate: Callable[[], dict[str, float]],
    checkpoints: Path,
    title: str = "train",
    on_point: Callable[[dict[str, float]], None] = lambda point: None,
) -> Training:
    """Trains a model in place; afterwards it holds the weights of its best epoch.

    Args:
        model: A variant's model (torch.nn.Module): called with a Batch it returns the mean loss.
        windows: Of the train split.
        settings: See config.Train.
        evaluate: Judges the model as it stands, on the tune split; must return "exact_match"
            and "f1" (0 to 100), "answerable_f1" if there is one, and "eval_loss" where that is
            monitored. Called on every process.
        checkpoints: A folder of this training alone; a second call with the same arguments goes
            on from the last whole checkpoint in it, to the same weights.
        title: For the progress line.
        on_point: Called with each new row of the log, on the main process.

    Raises:
        DivergedError: At the first non-finite loss, or if a trained weight is not finite; on every
            process at once.
    """
    device = pick_device()
    # Precision is set per pass: accelerate allows one per process, and wraps the model for good.
    accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision="no")
    rank, world = accelerator.process_index, accelerator.num_processes
    # Updates per epoch are the same on every process: each takes the same number of batches.
    batch_count = math.ceil(len(windows) / settings.batch_size) // world
    updates = math.ceil(batch_count / settings.gradient_accumulation)
    if not updates:
        raise ValueError(f"{len(windows)} windows are too few for {world} processes")
    optimizer, scheduler = make_optimizer(model, settings, updates * settings.epochs)
    run = Training()
    losses: list[float] = []  # since the last point of the log
    saved = load_latest(checkpoints, "step")
    if saved:
        run, losses = Training(**saved[1]["training"]), saved[1]["losses"]
        restore(model, optimizer, scheduler, saved[0], saved[1]["scheduler"])
        logger.info("%s goes on from step %d (epoch %d)", title, run.step, run.epoch + 1)
    prepared, optimizer = accelerator.prepare(model, optimizer)

    def save(name: str) -> None:
        if accelerator.is_main_process:
            tensors = training_tensors(model, optimizer)
            schedule = scheduler_state(scheduler)
            state = {"training": vars(run), "losses": losses, "scheduler": schedule}
            save_checkpoint(checkpoints, name, tensors, state)
        accelerator.wait_for_everyone()

    def record(point: dict[str, float]) -> None:
        row = {"step": run.step, "epoch": run.epoch + run.batches_done / batch_count, **point}
        run.log.append(row)
        if accelerator.is_main_process:
            on_point(row)

    total = settings.epochs * batch_count
    with Progress(title, total * settings.batch_size, "windows") as progress:
        progress.resume((run.epoch * batch_count + run.batches_done) * settings.batch_size)
        while run.epoch < settings.epochs and not _is_stale(run, settings):
            batches = group_by_length(
                windows.lengths, settings.batch_size, _mix(settings.seed, run.epoch)
            )[rank : batch_count * world : world]
            last_saved = time.monotonic()
            epoch = f"epoch {run.epoch + 1}/{settings.epochs}"
            progress.enter(epoch)
            model.train()
            while run.batches_done < batch_count:
                group = batches[run.batches_done :][: settings.gradient_accumulation]
                started = time.monotonic()
                loss = _update(accelerator, prepared, optimizer, windows, group, settings, run.step)
                scheduler.step()
                run.seconds += time.monotonic() - started
                run.step += 1
                run.batches_done += len(group)
                run.windows_seen += sum(map(len, group)) * world
                losses.append(loss)
                progress.advance(len(group) * settings.batch_size, loss=round(loss, 3))
                every = max(1, updates // POINTS_PER_EPOCH)
                if run.step % every == 0:
                    record(
                        {
                            "train_loss": float(np.mean(losses)),
                            "learning_rate": scheduler.get_last_lr()[0],
                            "windows_per_second": run.windows_per_second,
                        }
                    )
                    losses.clear()
                due = time.monotonic() - last_saved > settings.checkpoint_minutes * 60
                if due and run.batches_done < batch_count:
                    save(f"step-{run.step:09d}")
                    last_saved = time.monotonic()
            _check_weights(model)
            run.epoch, run.batches_done = run.epoch + 1, 0
            losses.clear()
            progress.enter(f"{epoch} on tune")
            figures = evaluate()
            record({f"tune_{name}": value for name, value in figures.items()})
            progress.figures["tune EM"] = round(figures["exact_match"], 2)
            # F1 decides between epochs of the same EM, as it does between contenders. A model that
            # does best to answer nothing yet is told from a worse one by what it would answer.
            score = [figures["exact_match"], figures["f1"], figures.get("answerable_f1", 0.0)]
            if settings.monitor == "eval_loss":
                score = [-figures["eval_loss"]]
            elif settings.monitor == "epoch":
                score = [float(run.epoch)]
            if score > run.best_score:
                run.best_score, run.best_epoch = score, run.epoch
                run.best_exact_match = figures["exact_match"]
                if accelerator.is_main_process:
                    state = {"epoch": run.epoch, "exact_match": run.best_exact_match}
                    save_checkpoint(
                        checkpoints, f"best-{run.epoch:04d}", trained_parameters(model), state
                    )
            save(f"step-{run.step:09d}")
    best = load_latest(checkpoints, "best")
    if best is None:
        raise RuntimeError(f"No whole best checkpoint is left in {checkpoints}; remove the folder")
    load_trained(model, best[0])
    # The one before it, where the best checkpoint is torn.
    run.best_epoch, run.best_exact_match = best[1]["epoch"], best[1]["exact_match"]
    accelerator.free_memory()
    return run


def _update(
    accelerator: Accelerator,
    model: Any,
    optimizer: Any,
    windows: WindowSet,
    group: list[list[int]],
    settings: Train,
    step: int,
) -> float:
    """One optimizer step over a group of batches; returns their mean loss.

    A batch of long windows is computed in parts, each weighted by its windows: the same gradient
    in bounded memory.
    """
    limit = PASS_TOKENS[accelerator.device.type]
    passes = [
        (part, len(part) / len(rows)) for rows in group for part in windows.parts(rows, limit)
    ]
    total = 0.0
    for number, (rows, share) in enumerate(passes):
        # Dropout depends on nothing but (seed, step, pass, process): there is no state to save,
        # and a resumed training draws what an unbroken one would have drawn.
        torch.manual_seed(_mix(settings.seed, step, number, accelerator.process_index))
        is_last = number == len(passes) - 1
        with contextlib.nullcontext() if is_last else accelerator.no_sync(model):
            batch = windows.collate(rows).to(accelerator.device)
            with autocast(accelerator.device, settings.precision):
                loss = model(batch) * (share / len(group))
            total += float(loss.detach())
            if is_last:
                _refuse_non_finite(accelerator, total, step)
            accelerator.backward(loss)
    accelerator.clip_grad_norm_(model.parameters(), settings.max_grad_norm)
    optimizer.step()
    optimizer.zero_grad()
    return total


def _refuse_non_finite(accelerator: Accelerator, loss: float, step: int) -> None:
    """Stops the training on every process if the loss of one of them is not finite.

    All processes ask at the same place, before the backward pass that adds up their gradients. A
    process that stopped alone would leave the others waiting for its gradient for ever.
    """
    everywhere = accelerator.gather(torch.tensor([loss], device=accelerator.device)).tolist()
    for process, value in enumerate(everywhere):
        if not math.isfinite(value):
            where = f" on process {process}" if len(everywhere) > 1 else ""
            raise DivergedError(f"the loss became {value} at step {step + 1}{where}")


def _is_stale(run: Training, settings: Train) -> bool:
    return bool(settings.patience) and run.epoch - run.best_epoch >= settings.patience


def _check_weights(model: torch.nn.Module) -> None:
    for name, parameter in trained_parameters(model).items():
        if not torch.isfinite(parameter).all():
            raise DivergedError(f"the weights {name} are not finite")


def _mix(*numbers: int) -> int:
    """One 63-bit seed from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
