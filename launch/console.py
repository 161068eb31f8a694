"""Shows a local race to a person: the lines of the steps, how far the race is, and the table.

kfp.local prints to stdout what its tasks print, and logs which task it runs and which one it takes
from its cache. `Console` takes the place of stdout. It draws the events of the steps
(squadron.progress), says which steps came from the cache, and writes everything to the log file.
On a terminal, two lines at the bottom say what is being done. They are drawn again every second.
Elsewhere, a step that takes long gets a plain line from time to time.
"""

import contextlib
import io
import json
import logging
import re
import textwrap
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TextIO

from launch import status
from launch.programs import pages_command, squadron_command
from launch.race_steps import RaceSteps
from squadron.artifacts import from_content
from squadron.config import Contender
from squadron.progress import (
    EVENT_PREFIX,
    SECONDS_BETWEEN_LINES,
    State,
    TerminalLines,
    describe,
)
from squadron.reports.race_table import render_table, screen_width
from squadron.runs_folder.step_notes import StepNote
from squadron.scores.race_result import RaceResult

# kfp/local/task_dispatcher.py colours the name of a task that it runs.
_RUNS = re.compile(r"Executing task (?:\x1b\[\d+m)?'([a-z-]+)'")
# kfp/local/orchestrator/task_executor.py logs what it takes from the cache.
_IS_CACHED = re.compile(r"Task ([a-z-]+) cache hit \(key=")
_SECONDS_BETWEEN_DRAWINGS = 1.0
"""How often the lines at the bottom are drawn while a step says nothing."""
_TITLE = re.compile(r"(?:from cache|[a-z_]+) +")


class Console(io.TextIOBase):
    """A stdout that shows events and logs the rest.

    Args:
        log: The file that gets every line.
        screen: The real stdout. Lines are drawn again only if it is a terminal.
        contenders: In the order in which they run; none for steps outside of a race.
        clock: Returns seconds since any moment.
        has_documents: Whether the race has the steps that need documents.
    """

    def __init__(
        self,
        log: TextIO,
        screen: TextIO,
        contenders: Sequence[Contender] = (),
        clock: Callable[[], float] = time.monotonic,
        *,
        has_documents: bool = False,
    ) -> None:
        self._log, self._screen, self._clock = log, screen, clock
        self._race = RaceSteps(contenders, clock, has_documents=has_documents)
        self._rest = ""
        self._lines = TerminalLines(screen) if screen.isatty() else None
        self._cached: list[str] = []
        """Steps from the cache that were not shown yet, all of one contender or all of none."""
        self._cached_of = ""
        self._verdict = ""
        """How the contender of these steps stands."""
        self._note: StepNote | None = None
        """The note of the step that kfp is about to take from the cache; None if there is none."""
        self._told = clock()
        """When a line last said how far the step that runs has come."""
        self._lock = threading.RLock()
        """Held by whoever changes or shows anything, because two threads do."""
        self._is_over = False
        """Whether the table was shown. What close_race still does is of no interest then."""
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
            redirected = contextlib.redirect_stdout(self), contextlib.redirect_stderr(self)
            with redirected[0], redirected[1], self._ticking():
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
        with self._lock:
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
        """Shows the cached steps that were not shown yet, and removes the lines at the bottom."""
        with self._lock:
            self._show_cached()
            self._race.end()
            self._clear()
        self._log.flush()

    def say(self, text: str) -> None:
        """Shows a line of the launcher itself."""
        with self._lock:
            self._print(text)

    def end_step(self) -> StepNote | None:
        """Notes that the step that runs has ended; returns what is known of it, or None."""
        with self._lock:
            return self._race.end()

    def expect_cached(self, note: StepNote | None) -> None:
        """Tells what is known of the step that kfp is about to take from the cache."""
        self._note = note

    def tick(self) -> None:
        """Shows how far the race is by now; called every second."""
        with self._lock:
            self._show_state()

    @contextlib.contextmanager
    def _ticking(self) -> Iterator[None]:
        """Calls `tick` every second in a thread of its own until the block ends."""
        ended = threading.Event()

        def tick() -> None:
            while not ended.wait(_SECONDS_BETWEEN_DRAWINGS):
                self.tick()

        thread = threading.Thread(target=tick, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _note_running(self, step: str) -> None:
        self._show_cached()
        self._race.begin(step)
        self._told = self._clock()
        self._show_state()

    def _note_cached(self, step: str) -> None:
        note, self._note = self._note, None
        place = self._race.take(step, note)
        label = self._race.label(place)
        if label != self._cached_of:
            self._show_cached()
        self._cached_of = label
        self._cached.append(step)
        if note and note.exact_match is not None:
            standing = self._race.judge(place, note.exact_match)
            self._verdict = ", ".join(filter(None, (f"EM {note.exact_match:.2f}", standing)))

    def _show_cached(self) -> None:
        if self._cached:
            line = status.cached_line(self._cached_of, self._cached, self._verdict)
            self._cached, self._verdict = [], ""
            self._print(line)

    def _show(self, event: dict[str, Any]) -> None:
        kind = event.pop("kind")
        if kind == "progress":
            self._show_progress(State(**event))
        elif kind == "line":
            self._show_line(event["text"], event.get("exact_match"))
        elif kind == "table":
            self._show_table(event)
        elif kind == "error" and self.failure is None:
            self._clear()
            self.failure = (event["step"], event["text"], event["is_input"])

    def _show_line(self, text: str, exact_match: float | None) -> None:
        """Shows a line of a step, and how the contender stands if the line has its EM."""
        running = self._race.running
        if exact_match is None or running is None:
            self._print(text)
            return
        standing = self._race.judge(running.place, exact_match)
        self._print(", ".join(filter(None, (text, standing))))
        has_race_line = self._lines and self._lines.can_draw_several
        if self._race.contenders and not has_race_line:
            self._print(status.race_line(self._race))

    def _show_table(self, event: dict[str, Any]) -> None:
        self._is_over = True
        width = screen_width()
        seconds = status.list_seconds(self._race, width) if self._race.contenders else []
        result = from_content(RaceResult, event["result"])
        commands = squadron_command(), pages_command()
        self._print("\n" + render_table(result, event["report"], width, *commands, seconds))

    def _show_progress(self, state: State) -> None:
        self._race.advance(state)
        if state.has_ended:
            self._print(describe(state))
        else:
            self._show_state()

    def _show_state(self) -> None:
        """Draws the lines at the bottom, or prints one if the last one is long ago."""
        if self._race.running is None or self.failure or self._is_over:
            return
        if self._lines:
            self._lines.draw(*status.screen_lines(self._race, self._lines.width))
        elif self._clock() - self._told >= SECONDS_BETWEEN_LINES:
            self._told = self._clock()
            self._print(status.log_line(self._race))

    def _clear(self) -> None:
        if self._lines:
            self._lines.clear()

    def _print(self, text: str) -> None:
        self._clear()
        if self._lines:
            # A terminal would break a long line in the middle of a word.
            text = "\n".join(wrap_line(line, self._lines.width) for line in text.split("\n"))
        self._screen.write(text + "\n")
        self._screen.flush()
        if self._lines:
            self._show_state()


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
    indent = " " * (status.TITLE_WIDTH if title and title.end() == status.TITLE_WIDTH else 0)
    return textwrap.fill(
        line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
