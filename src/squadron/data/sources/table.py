"""Reads tables of question/answer pairs without a context, as CSV or JSON lines.

All answers of a file, one per line, form one context. All questions share this context and one
title, and the windows have to find the right answer in it. So such data must be split by question
(`data -> split_by: question`). If they were split by title, all of them would be in one split.

- Columns, in upper or lower case: `question`, `questions`, `query` or `q`; `answer`, `answers`,
  `response` or `a`. If several of them exist, the first one in this order counts. Other columns are
  ignored.
- Files with names that end in .jsonl or .ndjson have one JSON object per line. All other files are
  CSV with commas and a header.
- Equal answers are in the context once. A question that is asked twice is one example, with all its
  different answers as gold answers. The first one trains.
- The id of an example is made from the question, so it keeps its split if rows are added or moved.
"""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path

from squadron.config import digest
from squadron.config.parsing import parse_json, shorten
from squadron.data.sources import Answer, Example
from squadron.data.sources._text import has_lines, plain_name, read_head, read_lines
from squadron.errors import InputError

COLUMNS = {
    "question": ("question", "questions", "query", "q"),
    "answer": ("answer", "answers", "response", "a"),
}
SETTINGS = "data.source: table and data.split_by: question"
SEPARATOR = "\n"
MOST_SHOWN = 20
"""Maximum number of columns that a message lists."""
# The limit of the csv module is 131,072 characters per cell, but an answer may be a document.
CELL_LIMIT = 16 * 1024 * 1024


def read_examples(path: Path) -> Iterator[Example]:
    """Yields all different questions of the file, in file order.

    Raises:
        InputError: If the file can't be read or lacks a column. The message names the file, the
            line and the columns that exist.
    """
    rows = list((_read_json_lines if has_lines(path) else _read_csv)(path))
    if not rows:
        raise InputError(f"The data file {path} has no rows; give question/answer pairs")
    title = plain_name(path).stem
    start_of: dict[str, int] = {}
    length = 0
    for _, _, answer in rows:
        if answer and answer not in start_of and _is_whole(answer):
            start_of[answer] = length
            length += len(answer) + len(SEPARATOR)
    context = SEPARATOR.join(start_of)
    examples: dict[str, Example] = {}
    for line, question, answer in rows:
        where = f"{path}: line {line}"
        # A row that can't be an example is passed on alone, so that validation counts it.
        if not question or not answer or not _is_whole(question + answer):
            examples[where] = Example(
                f"line-{line}",
                title,
                question,
                answer or context or "-",
                [Answer(answer, 0)],
                where=where,
            )
            continue
        given = Answer(answer, start_of[answer])
        example = examples.setdefault(
            question, Example(digest(question), title, question, context, where=where)
        )
        if given not in example.answers:
            example.answers.append(given)
    yield from examples.values()


def recognizes(path: Path) -> bool:
    """Says whether the first row of a file has columns of questions and answers."""
    try:
        # A file of another kind may be a single long line.
        first = read_head(path).partition("\n")[0]
        if has_lines(path):
            record = parse_json(first)
            # The records of other sources have lists of answers.
            is_row = isinstance(record, Mapping)
            names = [name for name in record if isinstance(record[name], str)] if is_row else []
        else:
            names = next(csv.reader([first]), [])
        return bool(_find_columns(path, names))
    except (InputError, OSError, ValueError, csv.Error):
        return False


def _read_csv(path: Path) -> Iterator[tuple[int, str, str]]:
    csv.field_size_limit(CELL_LIMIT)
    reader = csv.reader(read_lines(path), strict=True)
    try:
        header = next(reader, [])
        names = _find_columns(path, header)
        places = [header.index(name) for name in names]
        for cells in reader:
            if not cells:
                continue
            # One cell too many means a comma without quotes, which would cut the answer short.
            if len(cells) != len(header):
                raise InputError(
                    f"{path}: line {reader.line_num} has {len(cells)} cells, the header "
                    f"{len(header)}; put quotes around a cell that has commas"
                )
            question, answer = (cells[place].strip() for place in places)
            yield reader.line_num, question, answer
    except csv.Error as error:
        raise InputError(f"{path}: line {reader.line_num} is not CSV: {error}") from None


def _read_json_lines(path: Path) -> Iterator[tuple[int, str, str]]:
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        try:
            record = parse_json(line)
        except ValueError as error:
            raise InputError(f"{path}: line {number} is not JSON: {error}") from None
        if not isinstance(record, Mapping):
            raise InputError(f"{path}: line {number} is no object; one per line is needed")
        values = []
        for name in _find_columns(path, list(record), f"line {number} of "):
            if not isinstance(record[name], str):
                kind = type(record[name]).__name__
                raise InputError(f"{path}: line {number}: {name!r} is {kind}, str is needed")
            values.append(record[name].strip())
        yield number, values[0], values[1]


def _find_columns(path: Path, header: list[str], where: str = "") -> list[str]:
    """Returns the names of the question and the answer column, as the header spells them."""
    written = {name.strip().lower(): name for name in reversed(header)}
    found = []
    for wanted, names in COLUMNS.items():
        name = next((written[name] for name in names if name in written), None)
        if name is None:
            raise InputError(
                f"{where}{path} has no column {wanted!r} (or {', '.join(names[1:])}); there are: "
                f"{', '.join(map(shorten, header[:MOST_SHOWN])) or 'none'}"
            )
        found.append(name)
    return found


def _is_whole(text: str) -> bool:
    """Says whether a text can be stored: JSON can hold half a surrogate pair, UTF-8 can not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
