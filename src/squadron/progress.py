"""Progress that a person can read: bars on a terminal, plain lines in a log, events for a launcher.

A step that runs under a launcher has no terminal of its own. With SQUADRON_EVENTS=1 it prints one
JSON line per event, which the launcher draws; the same lines are what a log keeps.
"""

import json
import os
import sys
import time
from types import TracebackType
from typing import Any

EVENT_PREFIX = "@squadron "
EVENTS_VARIABLE = "SQUADRON_EVENTS"
# A log line at most this often; a launcher's bar is refreshed more often.
SECONDS_BETWEEN_LINES = 15.0
SECONDS_BETWEEN_EVENTS = 0.3


def say(text: str, **figures: Any) -> None:
    """One line for people: to the launcher where there is one, else to stderr."""
    if has_launcher():
        emit({"kind": "line", "text": text, **figures})
    else:
        print(text, file=sys.stderr, flush=True)  # noqa: T201 the one place that prints


def emit(event: dict[str, Any]) -> None:
    """One event line on stdout; a launcher reads it, everyone else sees a log line."""
    print(EVENT_PREFIX + json.dumps(event), flush=True)  # noqa: T201


def emit_error(step: str, reason: str, is_input: bool) -> None:
    """Why a step failed, for the launcher and the log."""
    if has_launcher():
        emit({"kind": "error", "step": step, "text": reason, "is_input": is_input})
    else:
        print(f"{step}: {reason}", file=sys.stderr, flush=True)  # noqa: T201


def has_launcher() -> bool:
    """Whether a launcher reads the events of this process and draws them."""
    return bool(os.environ.get(EVENTS_VARIABLE))


class Progress:
    """Counts work that is done.

    Args:
        title: What is being done, such as "train span".
        total: Units of work in all.
        unit: Plural noun of the unit, such as "windows".
    """

    def __init__(self, title: str, total: int, unit: str) -> None:
        self.title, self.total, self.unit = title, total, unit
        self.done = 0
        self.figures: dict[str, float] = {}
        self._started = self._last = time.monotonic()
        self._events = has_launcher()
        self._bar: Any = None
        if not self._events and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(desc=title, total=total, unit=f" {unit}", leave=False)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def advance(self, count: int, **figures: float) -> None:
        """Adds finished units; figures (loss, EM, ...) are shown beside them."""
        self.done += count
        self.figures.update(figures)
        if self._bar is not None:
            self._bar.set_postfix(self.figures, refresh=False)
            self._bar.update(count)
            return
        gap = SECONDS_BETWEEN_EVENTS if self._events else SECONDS_BETWEEN_LINES
        if time.monotonic() - self._last >= gap:
            self._last = time.monotonic()
            self._show()

    def close(self) -> None:
        """The last state, once."""
        if self._bar is not None:
            self._bar.close()
        elif self._events:
            self._show()

    def _show(self) -> None:
        if self._events:
            emit(
                {
                    "kind": "progress",
                    "title": self.title,
                    "done": self.done,
                    "total": self.total,
                    "unit": self.unit,
                    "figures": self.figures,
                }
            )
            return
        seconds = time.monotonic() - self._started
        rate = self.done / seconds if seconds else 0.0
        extra = "".join(f", {name} {value:.4g}" for name, value in self.figures.items())
        say(f"{self.title}: {self.done}/{self.total} {self.unit}, {rate:.1f}/s{extra}")
