"""Reads the losses of a training without making a GPU wait."""

import math
from typing import Any

import torch


class DivergedError(RuntimeError):
    """The loss or the weights of a model are not finite, which disqualifies the contender."""


class StepLosses:
    """Turns losses of optimizer steps into numbers: at once on a CPU, one step late on a GPU.

    A GPU computes while Python goes on. To read a loss, Python waits until the GPU has computed it,
    and then the GPU waits for its next work. So the loss of a step is read after the next step was
    sent to the GPU.

    Args:
        accelerator: The Accelerator of the training.
    """

    def __init__(self, accelerator: Any) -> None:
        self._accelerator = accelerator
        self._is_late = accelerator.device.type != "cpu"
        self._unread: list[tuple[int, torch.Tensor]] = []

    def add(self, step: int, loss: torch.Tensor) -> list[float]:
        """Takes the loss of a step on this process, a scalar; returns the losses read by now.

        Raises:
            DivergedError: If a loss that was read is not finite on some process. All processes read
                the losses of all, so they raise it at the same step.
        """
        # This starts the exchange between processes and waits for nothing.
        everywhere = self._accelerator.gather(loss.reshape(1))
        self._unread.append((step, everywhere))
        return self.read(keep=1 if self._is_late else 0)

    def read(self, keep: int = 0) -> list[float]:
        """Returns the losses of this process that were not read yet, oldest first.

        Args:
            keep: So many of the newest ones stay unread.

        Raises:
            DivergedError: As `add` does.
        """
        count = len(self._unread) - keep
        ready, self._unread = self._unread[:count], self._unread[count:]
        return [self._read_one(step, everywhere) for step, everywhere in ready]

    def _read_one(self, step: int, everywhere: torch.Tensor) -> float:
        values = [float(value) for value in everywhere.tolist()]
        for process, value in enumerate(values):
            if not math.isfinite(value):
                where = f" on process {process}" if len(values) > 1 else ""
                raise DivergedError(f"the loss became {value} at step {step + 1}{where}")
        own: float = values[self._accelerator.process_index]
        return own
