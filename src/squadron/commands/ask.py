"""`squadron ask`: answers questions about one text with a registered model."""

import argparse
import contextlib
import errno
import importlib
import json
import math
import multiprocessing
import re
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from squadron import tracking
from squadron.commands._libraries import silence_libraries
from squadron.errors import InputError

if TYPE_CHECKING:
    from squadron.registry import OpenedModel

HELP = "answer questions about a text"
STANDARD_INPUT = "-"
# One line that starts like a path and has a suffix, or a word with a separator or a suffix.
_LOOKS_LIKE_A_FILE = re.compile(
    r"(/|\./|\.\./|~)[^\r\n]*\.[A-Za-z]\w{0,9}|\S*[/\\]\S*|\S*\.[A-Za-z]\w{0,9}"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the questions, the text, the model and `--json`."""
    parser.add_argument("question", nargs="+", help="one or more, each in quotes")
    parser.add_argument(
        "--context", required=True, help="a text file, `-` for standard input, or the text itself"
    )
    parser.add_argument(
        "--model",
        default="",
        help="a name, models:/NAME@ALIAS, a model folder or `starter`; default: the model "
        "registered last, else the starter",
    )
    parser.add_argument("--version", default="candidate", help="a number or an alias")
    parser.add_argument("--json", action="store_true", help="one JSON list instead of lines")


def run(options: argparse.Namespace) -> int:
    """Answers questions about one text with a registered model."""
    context = _read_context(options.context)
    questions = [question.strip() for question in options.question]
    if not all(questions):
        raise InputError('A question is empty; give its words, such as "Who built it?"')
    silence_libraries()
    with _opened(options.model, options.version) as opened:
        readings = opened.load_reader().read([(question, context) for question in questions])
    chosen = opened.version
    if options.json:
        model = {
            "model": chosen.name if chosen else opened.name,
            "version": chosen.version if chosen else None,
        }
        from squadron.reader import as_dicts

        found = zip(questions, as_dicts(readings), strict=True)
        rows = [{"question": question, **row, **model} for question, row in found]
        print(json.dumps(rows, ensure_ascii=False, indent=1))
        return 0
    for question, reading in zip(questions, readings, strict=True):
        print(f"Question: {question}")
        if reading.answered:
            start, end = reading.start_char, reading.end_char
            print(f"Answer:   {reading.text}")
            print(f"Span:     characters {start} to {end}: {_in_place(context, start, end)}")
        else:
            print("Answer:   not answered here")
        score = f"{reading.score:.2f}" if math.isfinite(reading.score) else "none"
        print(f"Score:    {score} (log-odds against no answer)")
        if reading.probability is not None:
            print(f"Sure:     {reading.probability:.0%} that the best span is exactly right")
    status = chosen.tags.get("validation_status", "unknown") if chosen else ""
    print(f"Model:    {opened.name}{f', validation_status={status}' if status else ''}")
    return 0


@contextlib.contextmanager
def _opened(model: str, version: str) -> Iterator["OpenedModel"]:
    """Opens a model as `registry.open_model` does, in half the time.

    MLflow takes about two seconds to import and to find a model, and the libraries that compute the
    answer take as long. A second process does the first while this one does the second.
    """
    from squadron.registry import find_model, is_place

    with tempfile.TemporaryDirectory() as temporary:
        if is_place(model) or not tracking.has_store():
            yield find_model(model, version, Path(temporary))
            return
        # A process that is forked would take over threads of the process that calls this one.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            found = pool.submit(find_model, model, version, Path(temporary))
            _import_libraries()
            yield found.result()


def _import_libraries() -> None:
    """Imports what most models need to answer."""
    for name in ("squadron.reader", "transformers.modeling_utils"):
        importlib.import_module(name)


def _read_context(given: str) -> str:
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
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"--context: {source} is not UTF-8 text (byte {error.start:,}); save it as UTF-8"
        ) from None
    if not text.strip():
        raise InputError(f"--context: {source} has no words; give a text to look for answers in")
    return text


def _in_place(context: str, start: int, end: int) -> str:
    """Returns the answer in brackets with 40 characters on each side, on one line."""
    before, after = context[max(0, start - 40) : start], context[end : end + 40]
    return " ".join(f"…{before}[{context[start:end]}]{after}…".split())
