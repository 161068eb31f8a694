"""Asks about one text, for `squadron ask --context`."""

import errno
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from squadron.commands._shown import (
    Shown,
    attention_lines,
    kind_line,
    kind_row,
    mark_choice,
    on_one_line,
    score_lines,
    threshold_line,
    window_lines,
)
from squadron.commands._text import decode
from squadron.errors import InputError
from squadron.reader import Reader, Reading, as_dicts, find_kind

STANDARD_INPUT = "-"
# One line that starts like a path and has a suffix, or a word with a separator or a suffix.
_LOOKS_LIKE_A_FILE = re.compile(
    r"(/|\./|\.\./|~)[^\r\n]*\.[A-Za-z]\w{0,9}|\S*[/\\]\S*|\S*\.[A-Za-z]\w{0,9}"
)


def answer(questions: Sequence[str], context: str, reader: Reader, *, explain: bool) -> list[Shown]:
    """Answers questions about one text; the answers are in the same order.

    Args:
        questions: The questions.
        context: The text.
        reader: Reads it.
        explain: Whether to show what each window of the text gave.
    """
    readings = reader.read([(question, context) for question in questions], explain=explain)
    threshold = reader.answering.null_threshold
    shown = []
    for question, reading, row in zip(questions, readings, as_dicts(readings), strict=True):
        kind = find_kind(question, reading)
        lines = [*_describe(question, reading, context), kind_line(kind)]
        row |= kind_row(kind)
        if explain:
            lines += [*attention_lines(reading), threshold_line(threshold), "Read:"]
            mark = mark_choice(is_answer=reading.answered)
            lines += [f"  {line}" for line in window_lines(reading, mark)]
            row["null_threshold"] = threshold
        shown.append(Shown(lines, {"question": question, **row}))
    return shown


def _describe(question: str, reading: Reading, context: str) -> list[str]:
    lines = [f"Question: {question}"]
    if reading.answered:
        start, end = reading.start_char, reading.end_char
        lines.append(f"Answer:   {on_one_line(reading.text)}")
        lines.append(f"Span:     characters {start} to {end}: {_in_place(context, start, end)}")
    else:
        lines.append("Answer:   not answered here")
    return lines + score_lines(reading)


def read_context(given: str) -> str:
    """Returns the text of standard input or of a file, or else the given text itself.

    Raises:
        InputError: If a file is meant that can't be read, or if the text has no words.
    """
    if given == STANDARD_INPUT:
        return _decode(sys.stdin.buffer.read(), "standard input")
    if not given.strip():
        raise InputError("--context has no words; give a text file, `-` or the text itself")
    path = Path(given).expanduser()
    try:
        # Not `is_file`: a shell passes `<(command)` as a pipe.
        if not path.is_dir() and path.exists():
            return _decode(path.read_bytes(), f"the file {given!r}")
        is_folder = path.is_dir()
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return given
        raise InputError(
            f"--context: the file {given!r} can't be read: {error.strerror}; give a text file "
            "that you may read"
        ) from None
    if is_folder:
        raise InputError(f"--context: {given!r} is a folder; give a text file of it")
    if _LOOKS_LIKE_A_FILE.fullmatch(given):
        raise InputError(
            f"--context: the file {given!r} does not exist; give a text file, or send the text "
            "itself to `--context -`"
        )
    return given


def _decode(content: bytes, source: str) -> str:
    text = decode(content, f"--context: {source}")
    if not text.strip():
        raise InputError(f"--context: {source} has no words; give a text to look for answers in")
    return text


def _in_place(context: str, start: int, end: int) -> str:
    """Returns the answer in brackets with 40 characters on each side, on one line."""
    before, after = context[max(0, start - 40) : start], context[end : end + 40]
    return " ".join(f"…{before}[{context[start:end]}]{after}…".split())
