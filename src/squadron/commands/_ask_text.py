"""Asks about one text, for `squadron ask --context` and for a model that keeps its own text."""

import errno
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from squadron.answers.options import AnswerOptions
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


def answer(
    questions: Sequence[str], context: str, reader: Reader, *, explain: bool, own: bool
) -> list[Shown]:
    """Answers questions about one text; the answers are in the same order.

    Args:
        questions: The questions.
        context: The text.
        reader: Reads it.
        explain: Whether to show what each window of the text gave.
        own: Whether it is the text that the model keeps, which has one answer per line.
    """
    options = AnswerOptions(explain=explain)
    readings = reader.read([(question, context) for question in questions], options)
    threshold = reader.answering.null_threshold
    shown = []
    for question, reading, row in zip(questions, readings, as_dicts(readings), strict=True):
        kind = find_kind(question, reading)
        lines = [*_describe(question, reading, context, own=own), kind_line(kind)]
        row |= kind_row(kind)
        if own:
            line = _find_line(context, reading.start_char) if reading.answered else None
            row |= {"line": line.number if line else None, "line_text": line.text if line else ""}
        if explain:
            lines += [*attention_lines(reading), threshold_line(threshold), "Read:"]
            mark = mark_choice(is_answer=reading.answered)
            lines += [f"  {line}" for line in window_lines(reading, mark)]
            row["null_threshold"] = threshold
        shown.append(Shown(lines, {"question": question, **row}))
    return shown


@dataclass(frozen=True)
class _Line:
    """A line of a text."""

    number: int
    """From 1."""
    start_char: int
    text: str


def _find_line(context: str, char: int) -> _Line:
    """Returns the line with a character of a text."""
    start = context.rfind("\n", 0, char) + 1
    return _Line(context.count("\n", 0, char) + 1, start, context[start:].partition("\n")[0])


def _describe(question: str, reading: Reading, context: str, *, own: bool) -> list[str]:
    lines = [f"Question: {question}"]
    if reading.answered:
        start, end = reading.start_char, reading.end_char
        lines.append(f"Answer:   {on_one_line(reading.text)}")
        if own:
            line, count = _find_line(context, start), context.count("\n") + 1
            whole = _mark(line.text, start - line.start_char, end - line.start_char)
            lines.append(f"From:     line {line.number} of {count} of the model's own text")
            lines.append(f"Line:     {on_one_line(whole)}")
        else:
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
    first = max(0, start - 40)
    near = _mark(context[first : end + 40], start - first, end - first)
    return on_one_line(f"…{near}…")


def _mark(text: str, start: int, end: int) -> str:
    """Returns a text with the characters from start to end in brackets."""
    return f"{text[:start]}[{text[start:end]}]{text[end:]}"
