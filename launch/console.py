"""Shows a local race to a person: the lines of the steps, one bar and the table.

kfp.local prints to stdout what its tasks print, and logs which task it runs and which one it takes
from its cache. `Console` takes the place of stdout. It draws the events of the steps
(squadron.progress), says which steps came from the cache, and writes everything to the log file.
"""

import contextlib
import io
import json
import logging
import re
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any, TextIO

from launch.plan import LOOP_STEPS
from launch.programs import pages_command, squadron_command
from squadron.artifacts import from_content
from squadron.progress import (
    EVENT_PREFIX,
    SECONDS_BETWEEN_LINES,
    State,
    TerminalLine,
    describe,
    draw,
)
from squadron.reports.race_table import render_table, screen_width
from squadron.scores.race_result import RaceResult

# kfp/local/task_dispatcher.py colours the name of a task that it runs.
_RUNS = re.compile(r"Executing task (?:\x1b\[\d+m)?'([a-z-]+)'")
# kfp/local/orchestrator/task_executor.py logs what it takes from the cache.
_IS_CACHED = re.compile(r"Task ([a-z-]+) cache hit \(key=")
_TITLE_WIDTH = 11
"""Columns of the name of a step, the blanks before its text included."""
_TITLE = re.compile(r"(?:from cache|[a-z_]+) +")


class Console(io.TextIOBase):
    """A stdout that shows events and logs the rest.

    Args:
        log: The file that gets every line.
        screen: The real stdout. Bars are drawn only if it is a terminal.
        labels: The labels of the contenders, in the order in which they run.
    """

    def __init__(self, log: TextIO, screen: TextIO, labels: Sequence[str] = ()) -> None:
        self._log, self._screen, self._labels = log, screen, labels
        self._rest = ""
        self._line = TerminalLine(screen) if screen.isatty() else None
        self._contender = -1
        """The place in `labels` of the contender whose steps run."""
        self._cached: list[str] = []
        """Steps from the cache that were not shown yet, all of one contender or all of none."""
        self._cached_of = ""
        self._shown = ("", 0.0)
        """The title and the seconds of the last line of progress that was printed."""
        self.failure: tuple[str, str, bool] | None = None
        """The first step that failed: its name, its sentence, and whether the input was bad."""

    @contextlib.contextmanager
    def capture(self) -> Iterator[None]:
        """Takes everything that this process prints and logs until the block ends."""
        root, handler = logging.getLogger(), logging.StreamHandler(self)
        handler.setFormatter(logging.Formatter("%(asctime)s - %(levelname)s - %(message)s"))
        level = root.level
        root.addHandler(handler)
        # kfp logs at the level INFO which steps come from its cache.
        root.setLevel(logging.INFO)
        try:
            with contextlib.redirect_stdout(self), contextlib.redirect_stderr(self):
                yield
        finally:
            root.removeHandler(handler)
            root.setLevel(level)

    def isatty(self) -> bool:
        """Returns False, so that kfp and the steps print plain text."""
        return False

    def write(self, text: str) -> int:
        """Logs a text, and shows the events and the cached steps that its whole lines name."""
        self._log.write(text)
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            # kfp indents what a task prints.
            stripped = line.strip()
            if stripped.startswith(EVENT_PREFIX):
                self._show(json.loads(stripped.removeprefix(EVENT_PREFIX)))
            elif found := _IS_CACHED.search(line):
                self._note_cached(found[1].replace("-", "_"))
            elif found := _RUNS.search(line):
                self._note_running(found[1].replace("-", "_"))
        return len(text)

    def flush(self) -> None:
        """Flushes the log."""
        self._log.flush()

    def close(self) -> None:
        """Shows the cached steps that were not shown yet, and removes the bar."""
        self._show_cached()
        self._clear()
        self._log.flush()

    def say(self, text: str) -> None:
        """Shows a line of the launcher itself."""
        self._print(text)

    def _note_running(self, step: str) -> None:
        self._show_cached()
        label = self._label_of(step)
        if self._line:
            self._line.draw(f"{step:<{_TITLE_WIDTH}}{label}".rstrip() + " ...")

    def _note_cached(self, step: str) -> None:
        label = self._label_of(step)
        if label != self._cached_of:
            self._show_cached()
        self._cached_of = label
        self._cached.append(step)

    def _label_of(self, step: str) -> str:
        """Returns the label of the contender whose step begins; "" for a step that all share.

        Contenders run one after the other, and each begins with the first of its steps.
        """
        if step not in LOOP_STEPS:
            return ""
        if step == LOOP_STEPS[0]:
            self._contender += 1
        return self._labels[self._contender] if 0 <= self._contender < len(self._labels) else ""

    def _show_cached(self) -> None:
        if self._cached:
            label = f"{self._cached_of}: " if self._cached_of else ""
            steps, self._cached = ", ".join(self._cached), []
            self._print(f"{'from cache':<{_TITLE_WIDTH}}{label}{steps}")

    def _show(self, event: dict[str, Any]) -> None:
        kind = event.pop("kind")
        if kind == "progress":
            self._show_progress(State(**event))
        elif kind == "line":
            self._print(event["text"])
        elif kind == "table":
            result = from_content(RaceResult, event["result"])
            table = render_table(
                result, event["report"], screen_width(), squadron_command(), pages_command()
            )
            self._print("\n" + table)
        elif kind == "error" and self.failure is None:
            self._clear()
            self.failure = (event["step"], event["text"], event["is_input"])

    def _show_progress(self, state: State) -> None:
        if state.has_ended:
            self._print(describe(state))
        elif self._line:
            self._line.draw(draw(state, self._line.width))
        else:
            title, seconds = self._shown
            if state.seconds - (seconds if title == state.title else 0) >= SECONDS_BETWEEN_LINES:
                self._shown = (state.title, state.seconds)
                self._print(describe(state))

    def _clear(self) -> None:
        if self._line:
            self._line.clear()

    def _print(self, text: str) -> None:
        self._clear()
        if self._line:
            # A terminal would break a long line in the middle of a word.
            text = "\n".join(wrap_line(line, self._line.width) for line in text.split("\n"))
        self._screen.write(text + "\n")
        self._screen.flush()


def wrap_line(line: str, width: int) -> str:
    """Breaks a long line between words. Commands and the lines of a table stay whole.

    The text of a step continues in the column in which it began.

    Args:
        line: A text without a line break.
        width: Columns of the terminal.
    """
    if len(line) <= width or line.startswith((" ", "┏", "┃", "┡", "│", "├", "└")):
        return line
    title = _TITLE.match(line)
    indent = " " * (_TITLE_WIDTH if title and title.end() == _TITLE_WIDTH else 0)
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
