"""The questions of `squadron ask` from a file, and its answers in a file."""

import csv
import io
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from squadron.artifacts import written_whole
from squadron.commands._text import decode
from squadron.config.parsing import parse_json
from squadron.errors import InputError

COLUMN = "question"
OUTPUTS = (".csv", ".jsonl")


def read_questions(path: Path) -> list[str]:
    """Returns the questions of a file.

    A file .csv has the column `question`, a file .jsonl has one object per line with the field
    `question`. Any other file has one question per line. Empty lines are left out.

    Raises:
        InputError: If the file can't be read or has no questions. The message names the line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"--questions: {path} can't be read: {error.strerror}") from None
    text = decode(content, f"--questions: {path}")
    lines = text.splitlines()
    kind = path.suffix.lower()
    if kind == ".csv":
        found = _read_csv(path, text)
    elif kind == ".jsonl":
        found = [_read_record(path, n, line) for n, line in enumerate(lines, 1) if line.strip()]
    else:
        found = lines
    questions = [question.strip() for question in found if question.strip()]
    if not questions:
        raise InputError(f"--questions: {path} has no questions; write one per line")
    return questions


def _read_csv(path: Path, text: str) -> list[str]:
    # A question in quotes may go over several lines.
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        if COLUMN not in (rows.fieldnames or ()):
            raise InputError(
                f"--questions: {path} has no column {COLUMN!r}; there are: "
                f"{', '.join(rows.fieldnames or ()) or 'none'}"
            )
        return [row[COLUMN] or "" for row in rows]
    except csv.Error as error:
        raise InputError(f"--questions: {path}: line {rows.line_num} is not CSV: {error}") from None


def _read_record(path: Path, number: int, line: str) -> str:
    try:
        record = parse_json(line)
    except ValueError as error:
        raise InputError(f"--questions: {path}: line {number} is not JSON: {error}") from None
    question = record.get(COLUMN) if isinstance(record, Mapping) else None
    if not isinstance(question, str):
        raise InputError(
            f"--questions: {path}: line {number} has no text {COLUMN!r}; one object per line with "
            "this field is needed"
        )
    return question


def check_output(path: Path) -> None:
    """Refuses a file that answers can't be written to.

    Raises:
        InputError: If its name has another ending than .csv or .jsonl, or its folder is missing.
    """
    if path.suffix.lower() not in OUTPUTS:
        raise InputError(f"--output: {path} must end in {' or '.join(OUTPUTS)}")
    if not path.parent.is_dir():
        raise InputError(f"--output: the folder {path.parent} does not exist; make it first")


def write_answers(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Writes one row per question, as CSV or JSON lines by the ending of the name.

    The file appears whole or not at all. In CSV, a list or an object is JSON text.
    """
    rows = list(rows)
    with written_whole(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        if path.suffix.lower() == ".jsonl":
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            return
        names = list(dict.fromkeys(name for row in rows for name in row))
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        for row in rows:
            writer.writerow({name: _as_cell(value) for name, value in row.items()})


def _as_cell(value: object) -> object:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else value
