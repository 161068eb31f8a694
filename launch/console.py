"""What a person sees of a local run: the steps' own lines, one bar, the table; all else is logged.

kfp.local prints through stdout whatever its tasks print. This stands in for stdout: events of the
steps (squadron.progress) are drawn, everything goes to the log file.
"""

import io
import json
import time
from typing import Any, TextIO

from squadron.progress import EVENT_PREFIX, SECONDS_BETWEEN_LINES
from squadron.race_table import render_table


class Console(io.TextIOBase):
    """A stdout that shows events and logs the rest.

    Args:
        log: Gets every line.
        screen: The real stdout; bars are drawn only if it is a terminal.
    """

    def __init__(self, log: TextIO, screen: TextIO) -> None:
        self._log, self._screen = log, screen
        self._rest = ""
        self._bar: Any = None
        self._last_line = 0.0
        self.failure: tuple[str, str, bool] | None = None
        """(step, sentence, whether it was bad input) of the first step that failed."""

    def isatty(self) -> bool:
        """Never: what steps and kfp print is not for a terminal."""
        return False

    def write(self, text: str) -> int:
        """Takes what anyone prints."""
        self._log.write(text)
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            # kfp indents what a task prints.
            stripped = line.strip()
            if stripped.startswith(EVENT_PREFIX):
                self._show(json.loads(stripped.removeprefix(EVENT_PREFIX)))
        return len(text)

    def flush(self) -> None:
        """Flushes the log."""
        self._log.flush()

    def close(self) -> None:
        """Ends the bar."""
        self._end_bar()
        self._log.flush()

    def _show(self, event: dict[str, Any]) -> None:
        kind = event["kind"]
        if kind == "progress":
            self._show_progress(event)
            return
        self._end_bar()
        if kind == "line":
            self._print(event["text"])
        elif kind == "table":
            width = 120
            self._print("\n" + render_table(event["champion"], width))
        elif kind == "error" and self.failure is None:
            self.failure = (event["step"], event["text"], event["is_input"])

    def _show_progress(self, event: dict[str, Any]) -> None:
        if self._screen.isatty():
            if self._bar is None or self._bar.desc != event["title"]:
                from tqdm import tqdm

                self._end_bar()
                self._bar = tqdm(
                    desc=event["title"],
                    total=event["total"],
                    initial=event["done"],
                    unit=f" {event['unit']}",
                    file=self._screen,
                    leave=False,
                    dynamic_ncols=True,
                )
                self._bar.desc = event["title"]
            self._bar.set_postfix(event["figures"], refresh=False)
            self._bar.n = min(event["done"], event["total"])
            self._bar.refresh()
        elif time.monotonic() - self._last_line >= SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            figures = "".join(f", {name} {value:g}" for name, value in event["figures"].items())
            self._print(
                f"{event['title']}: {event['done']}/{event['total']} {event['unit']}{figures}"
            )

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _print(self, text: str) -> None:
        self._screen.write(text + "\n")
        self._screen.flush()
