"""The training loop that all variants share: it resumes, stops early and keeps the best epoch.

accelerate brings devices and distribution. The loop itself is ours, because it must group windows
by length, stop at the first non-finite loss, judge each epoch as the race does, and resume after a
kill to the same weights (docs/decisions/training-loop.md).
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
    load_parameters,
    make_optimizer,
    restore,
    scheduler_state,
    trained_parameters,
    training_tensors,
)
from squadron.models.step_losses import DivergedError, StepLosses
from squadron.progress import Progress

logger = logging.getLogger(__name__)

POINTS_PER_EPOCH = 20
"""Points of the loss curve in an epoch."""


@dataclass
class Training:
    """The result of a training, and its state while it runs."""

    step: int = 0
    """Optimizer steps done."""
    epoch: int = 0
    """Epochs finished."""
    batches_done: int = 0
    """Batches done in the current epoch."""
    seconds: float = 0.0
    """Time spent in optimizer steps, without evaluation and saving."""
    windows_seen: int = 0
    """Windows trained on, by all processes together."""
    best_score: list[float] = field(default_factory=list)
    """What `Train.monitor` compares, for the best epoch. Higher is better; the first number that
    differs decides."""
    best_exact_match: float | None = None
    """Exact match of the best epoch on tune, 0 to 100; None where epochs are not judged."""
    best_epoch: int = 0
    """The best epoch so far; the first one is 1."""
    log: list[dict[str, float]] = field(default_factory=list)
    """One row per point: step, epoch, and the loss or the figures on tune."""

    @property
    def windows_per_second(self) -> float:
        """The mean speed of all optimizer steps."""
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
        model: A variant's model (torch.nn.Module). Called with a Batch, it returns the mean loss.
        windows: The windows of the train split.
        settings: See config.Train.
        evaluate: Judges the current weights on the tune split. It must return "exact_match" and
            "f1" (0 to 100), "answerable_f1" if there is one, and "eval_loss" if
            `settings.monitor` asks for it. Every process calls it. It is not called if
            `settings.monitor` is "epoch".
        checkpoints: A folder for this training alone. A second call with the same arguments
            resumes from the last whole checkpoint in it and ends with the same weights.
        title: What the progress line shows.
        on_point: Called with each new row of the log, on the main process.

    Raises:
        DivergedError: At the first loss that is not finite, or after an epoch with a weight that
            is not finite. All processes raise it at the same step.
    """
    loop = _Loop(model, windows, settings, checkpoints, on_point)
    loop.resume(title)
    loop.prepare()
    with Progress(title, loop.count_windows(settings.epochs), "windows") as progress:
        progress.resume(loop.count_windows(loop.run.epoch, loop.run.batches_done))
        while not loop.is_finished():
            loop.train_epoch(progress)
            loop.judge_epoch(evaluate, progress)
    loop.load_best()
    return loop.run


class _Loop:
    """The phases of `train_model`, in the order in which it calls them, and what they share."""

    def __init__(
        self,
        model: Any,
        windows: WindowSet,
        settings: Train,
        checkpoints: Path,
        on_point: Callable[[dict[str, float]], None],
    ) -> None:
        self.model = model
        self.windows = windows
        self.settings = settings
        self.checkpoints = checkpoints
        self.on_point = on_point
        # accelerate allows one precision per process and wraps the model for good. So `autocast`
        # sets the precision of each pass instead.
        device = pick_device()
        self.accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision="no")
        world: int = self.accelerator.num_processes
        # Each process takes the same number of batches, so all do as many updates in an epoch.
        self.batch_count = math.ceil(len(windows) / settings.batch_size) // world
        self.updates = math.ceil(self.batch_count / settings.gradient_accumulation)
        if not self.updates:
            raise ValueError(f"{len(windows)} windows are too few for {world} processes")
        self.optimizer, self.scheduler = make_optimizer(
            model, settings, self.updates * settings.epochs
        )
        self.run = Training()
        self.losses: list[float] = []
        """The losses since the last point of the log."""
        self.step_losses = StepLosses(self.accelerator)

    def resume(self, title: str) -> None:
        """Restores the last whole checkpoint, if there is one."""
        saved = load_latest(self.checkpoints, "step")
        if saved:
            tensors, state = saved
            self.run, self.losses = Training(**state["training"]), state["losses"]
            restore(self.model, self.optimizer, self.scheduler, tensors, state["scheduler"])
            run = self.run
            logger.info("%s goes on from step %d (epoch %d)", title, run.step, run.epoch + 1)

    def prepare(self) -> None:
        """Lets accelerate wrap the model and the optimizer for the processes that take part."""
        self.wrapped, self.optimizer = self.accelerator.prepare(self.model, self.optimizer)

    def count_windows(self, epochs: int, batches: int = 0) -> int:
        """Returns the windows in so many epochs and batches, as if all batches were full."""
        return (epochs * self.batch_count + batches) * self.settings.batch_size

    def is_finished(self) -> bool:
        """Whether all epochs are done, or as many as `patience` allows without a better one."""
        run, settings = self.run, self.settings
        is_stale = bool(settings.patience) and run.epoch - run.best_epoch >= settings.patience
        return run.epoch >= settings.epochs or is_stale

    def train_epoch(self, progress: Progress) -> None:
        """Trains to the end of the current epoch, which may have begun before a resume."""
        run, settings = self.run, self.settings
        batches = self._draw_batches()
        last_saved = time.monotonic()
        progress.enter(f"epoch {run.epoch + 1}/{settings.epochs}")
        self.model.train()
        while run.batches_done < self.batch_count:
            group = batches[run.batches_done :][: settings.gradient_accumulation]
            self._train_step(group)
            shown = {"loss": round(self.losses[-1], 3)} if self.losses else {}
            progress.advance(len(group) * settings.batch_size, **shown)
            if run.step % max(1, self.updates // POINTS_PER_EPOCH) == 0:
                self._log_losses()
            is_due = time.monotonic() - last_saved > settings.checkpoint_minutes * 60
            if is_due and run.batches_done < self.batch_count:
                self._save()
                last_saved = time.monotonic()
        self._read_losses()
        _check_weights(self.model)
        run.epoch, run.batches_done = run.epoch + 1, 0
        self.losses.clear()

    def judge_epoch(self, evaluate: Callable[[], dict[str, float]], progress: Progress) -> None:
        """Judges the epoch that has just ended, keeps it if it is the best, and saves."""
        run, settings = self.run, self.settings
        score, exact_match = [float(run.epoch)], None
        if settings.monitor != "epoch":
            progress.enter(f"epoch {run.epoch}/{settings.epochs} on tune")
            figures = evaluate()
            self._log({f"tune_{name}": value for name, value in figures.items()})
            progress.figures["tune EM"] = round(figures["exact_match"], 2)
            score, exact_match = _score_epoch(figures, settings.monitor), figures["exact_match"]
        if score > run.best_score:
            run.best_score, run.best_epoch = score, run.epoch
            run.best_exact_match = exact_match
            self._save_best()
        self._save()

    def load_best(self) -> None:
        """Puts the weights of the best epoch into the model and frees what training needed."""
        best = load_latest(self.checkpoints, "best")
        if best is None:
            raise RuntimeError(
                f"No whole best checkpoint is left in {self.checkpoints}; remove the folder"
            )
        weights, state = best
        load_parameters(self.model, weights)
        # Where the newest best checkpoint is torn, this is the one before it.
        self.run.best_epoch, self.run.best_exact_match = state["epoch"], state["exact_match"]
        self.accelerator.free_memory()

    def _draw_batches(self) -> list[list[int]]:
        """Returns this process's batches of the current epoch, as row numbers of the windows."""
        rank, world = self.accelerator.process_index, self.accelerator.num_processes
        seed = _mix(self.settings.seed, self.run.epoch)
        batches = group_by_length(self.windows.lengths, self.settings.batch_size, seed)
        return batches[rank : self.batch_count * world : world]

    def _train_step(self, group: list[list[int]]) -> None:
        """Does one optimizer step over some batches and counts it."""
        run = self.run
        started = time.monotonic()
        self._update(group)
        self.scheduler.step()
        run.seconds += time.monotonic() - started
        run.step += 1
        run.batches_done += len(group)
        run.windows_seen += sum(map(len, group)) * self.accelerator.num_processes

    def _read_losses(self) -> None:
        """Reads the losses of all steps that were done."""
        started = time.monotonic()
        self.losses += self.step_losses.read()
        self.run.seconds += time.monotonic() - started

    def _update(self, group: list[list[int]]) -> None:
        """Updates the weights once by the gradient over some batches.

        A batch of long windows is computed in parts, and each part counts by its windows. That
        gives the same gradient in bounded memory.
        """
        accelerator, settings = self.accelerator, self.settings
        limit = PASS_TOKENS[accelerator.device.type]
        cut = self.windows.parts
        passes = [(part, len(part) / len(rows)) for rows in group for part in cut(rows, limit)]
        total = torch.zeros((), dtype=torch.float64, device=accelerator.device)
        for number, (rows, share) in enumerate(passes):
            # Dropout depends on nothing but (seed, step, pass, process). So there is no random
            # state to save, and a resumed training draws the same as one without a break.
            seed = _mix(settings.seed, self.run.step, number, accelerator.process_index)
            torch.manual_seed(seed)
            is_last = number == len(passes) - 1
            with contextlib.nullcontext() if is_last else accelerator.no_sync(self.wrapped):
                batch = self.windows.collate(rows).to(accelerator.device)
                with autocast(accelerator.device, settings.precision):
                    loss = self.wrapped(batch) * (share / len(group))
                total += loss.detach()
                accelerator.backward(loss)
        # On a CPU, a loss that is not finite stops the training before it changes the weights.
        self.losses += self.step_losses.add(self.run.step, total)
        accelerator.clip_grad_norm_(self.wrapped.parameters(), settings.max_grad_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def _log_losses(self) -> None:
        """Logs a point of the loss curve: the mean loss since the last point."""
        self._read_losses()
        self._log(
            {
                "train_loss": float(np.mean(self.losses)),
                "learning_rate": self.scheduler.get_last_lr()[0],
                "windows_per_second": self.run.windows_per_second,
            }
        )
        self.losses.clear()

    def _log(self, figures: dict[str, float]) -> None:
        """Adds a row to the log and hands it on."""
        run = self.run
        row = {"step": run.step, "epoch": run.epoch + run.batches_done / self.batch_count}
        row |= figures
        run.log.append(row)
        if self.accelerator.is_main_process:
            self.on_point(row)

    def _save(self) -> None:
        """Saves a checkpoint from which a later call can resume."""
        self._read_losses()
        if self.accelerator.is_main_process:
            tensors = training_tensors(self.model, self.optimizer)
            schedule = scheduler_state(self.scheduler)
            state = {"training": vars(self.run), "losses": self.losses, "scheduler": schedule}
            save_checkpoint(self.checkpoints, f"step-{self.run.step:09d}", tensors, state)
        self.accelerator.wait_for_everyone()

    def _save_best(self) -> None:
        """Saves the weights of the epoch that has just become the best."""
        run = self.run
        if self.accelerator.is_main_process:
            state = {"epoch": run.epoch, "exact_match": run.best_exact_match}
            tensors = trained_parameters(self.model)
            save_checkpoint(self.checkpoints, f"best-{run.epoch:04d}", tensors, state)


def _score_epoch(figures: dict[str, float], monitor: str) -> list[float]:
    """Returns the numbers by which judged epochs are compared; see `Training.best_score`.

    Args:
        figures: As `evaluate` returned them.
        monitor: See config.Train.
    """
    if monitor == "eval_loss":
        return [-figures["eval_loss"]]
    # F1 decides between epochs of equal exact match, as it does between contenders. While the best
    # threshold is the one that answers nothing, both are equal in all epochs; then the figure on
    # what the model would answer decides.
    return [figures["exact_match"], figures["f1"], figures.get("answerable_f1", 0.0)]


def _check_weights(model: torch.nn.Module) -> None:
    """Raises DivergedError if a trained weight is not finite."""
    for name, parameter in trained_parameters(model).items():
        if not torch.isfinite(parameter).all():
            raise DivergedError(f"the weights {name} are not finite")


def _mix(*numbers: int) -> int:
    """Returns one 63-bit seed made from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
