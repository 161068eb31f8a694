"""Has files read by a process of its own and survives whatever happens to that process."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import IO, cast

from squadron.documents import worker
from squadron.documents.document import Document, Refusal, Section
from squadron.documents.limits import Limits

BYTES_PER_CHARACTER = 12
"""Maximum size of a character in the answers of the process (a pair of JSON escapes)."""
SLACK_BYTES = 20_000_000
"""What answers may have beside the text: pages, sections and notes."""


class _BrokenError(Exception):
    """The process that reads does not answer as it should."""


class Extractor:
    """Reads files one after the other in one process, and starts another one when it ends.

    Use it in a `with` statement; it is not made for several threads.
    """

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""

    def __enter__(self) -> "Extractor":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def extract(self, path: Path, name: str) -> Document | Refusal:
        """Reads one file.

        Args:
            path: A file of one of the KINDS of kinds.py.
            name: The file as messages and the document call it.
        """
        try:
            size = path.stat().st_size / 1e6
            path.open("rb").close()
        except OSError as error:
            return Refusal(name, f"{name} can't be read: {error.strerror}")
        if size > self.limits.max_megabytes:
            most = self.limits.max_megabytes
            reason = f"has {size:,.1f} MB, and at most {most:,g} MB are read: split it"
            return Refusal(name, f"{name} {reason}, or raise max_megabytes")
        page = [0]
        try:
            answer = self._ask(path, name, page)
            if "refusal" in answer:
                return Refusal(name, str(answer["refusal"]))
            if "failure" not in answer:
                return _parse_document(name, answer["document"])
            problem = str(answer["failure"])
        except _BrokenError as error:
            problem = str(error)
        except (KeyError, TypeError, ValueError, OSError):
            problem = "the process that reads documents gave no valid answer"
        # After a failure its memory may be full of what it was reading.
        self.close()
        where = f" at page {page[0]}" if page[0] else ""
        advice = "save it again with another program, or leave it out"
        return Refusal(name, f"reading {name} broke off{where} ({problem}): {advice}")

    def close(self) -> None:
        """Ends the process, if there is one."""
        if self._process is None:
            return
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream:
                with suppress(OSError):
                    stream.close()
        self._process.wait()
        self._process = None
        self._rest = b""

    def _ask(self, path: Path, name: str, page: list[int]) -> dict[str, object]:
        """Returns the last answer for a file; page[0] becomes the page that was being read."""
        if self._process is None or self._process.poll() is not None:
            self.close()
            self._process = _start()
        request = {"path": str(path.absolute()), "name": name, "limits": asdict(self.limits)}
        try:
            stream = cast(IO[bytes], self._process.stdin)
            stream.write(json.dumps(request).encode() + b"\n")
            stream.flush()
        except OSError:
            raise _BrokenError(_explain_end(self._process)) from None
        end = time.monotonic() + self.limits.seconds
        budget = self.limits.max_characters * BYTES_PER_CHARACTER + SLACK_BYTES
        while True:
            line = self._read_line(end, budget)
            budget -= len(line)
            answer = json.loads(line)
            if not isinstance(answer, dict):
                raise ValueError("an answer must be an object")
            if "page" not in answer:
                return answer
            page[0] = int(answer["page"])

    def _read_line(self, end: float, budget: int) -> bytes:
        """Returns one line; raises _BrokenError if it takes too long, is too long or never ends."""
        process = cast(subprocess.Popen[bytes], self._process)
        stream = cast(IO[bytes], process.stdout).fileno()
        until = min(end, time.monotonic() + self.limits.page_seconds)
        pieces = [self._rest]
        length = len(self._rest)
        while b"\n" not in pieces[-1]:
            left = until - time.monotonic()
            if left <= 0 or not select.select([stream], [], [], left)[0]:
                seconds = self.limits.seconds if until == end else self.limits.page_seconds
                raise _BrokenError(f"no result within {seconds:g} seconds")
            piece = os.read(stream, 1 << 20)
            if not piece:
                raise _BrokenError(_explain_end(process))
            pieces.append(piece)
            length += len(piece)
            if length > budget:
                raise _BrokenError("its text is longer than max_characters allows")
        line, _, self._rest = b"".join(pieces).partition(b"\n")
        return line


def _start() -> subprocess.Popen[bytes]:
    # -P: a file json.py among the documents must not be taken for Python's own.
    return subprocess.Popen(
        [sys.executable, "-P", "-m", worker.__name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _explain_end(process: subprocess.Popen[bytes]) -> str:
    try:
        code = process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        return "the process that reads documents gave no answer"
    if code == -signal.SIGXCPU:
        return "it needs more processor time than cpu_seconds allows"
    if code < 0:
        return f"the process that reads documents was ended by {signal.Signals(-code).name}"
    return f"the process that reads documents ended with code {code}"


def _parse_document(name: str, fields: object) -> Document:
    """Returns the document of an answer. The process may be in the hand of a hostile file."""
    if not isinstance(fields, dict) or not isinstance(fields["text"], str):
        raise ValueError("a document must have a text")
    text = fields["text"]
    text.encode()
    pages = tuple((int(start), int(end)) for start, end in fields["pages"])
    edges = [0, *(end for _, end in pages)]
    if not pages or edges != sorted(edges) or edges[-1] != len(text):
        raise ValueError("pages must follow each other")
    if [start for start, _ in pages] != edges[:-1]:
        raise ValueError("pages must have no gaps")
    sections = tuple(
        Section(str(section["title"]), int(section["start_char"]), int(section["body_char"]))
        for section in fields["sections"]
    )
    places = [char for section in sections for char in (section.start_char, section.body_char)]
    if places != sorted(places) or (places and not 0 <= places[0] <= places[-1] <= len(text)):
        raise ValueError("sections must follow each other")
    return Document(name, text, pages, sections, tuple(map(str, fields["notes"])))
