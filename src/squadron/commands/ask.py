"""`squadron ask`: a registered model answers questions about one text."""

import argparse
import json
import tempfile
from pathlib import Path

from squadron.errors import InputError

HELP = "answer questions about a text"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the questions, the text and the model."""
    parser.add_argument("question", nargs="+", help="one or more, each in quotes")
    parser.add_argument("--context", required=True, help="a text file, or the text itself")
    parser.add_argument("--model", default="", help="default: the one registered last")
    parser.add_argument("--version", default="candidate", help="a number or an alias")
    parser.add_argument("--json", action="store_true", help="one JSON list instead of lines")


def run(options: argparse.Namespace) -> int:
    """Answers questions about one text with a registered model."""
    context = _read_context(options.context)
    questions = [question.strip() for question in options.question]
    if not all(questions):
        raise InputError('A question is empty; give its words, such as "Who built it?"')
    from squadron import registry
    from squadron.reader import Reader, as_dicts

    name = options.model or registry.latest_model()
    chosen = registry.find_version(name, options.version)
    with tempfile.TemporaryDirectory() as temporary:
        reader = Reader.load(registry.fetch_model(chosen, Path(temporary)))
        readings = as_dicts(reader.read([(question, context) for question in questions]))
    if options.json:
        model = {"model": chosen.name, "version": chosen.version}
        rows = [{"question": q, **row, **model} for q, row in zip(questions, readings, strict=True)]
        print(json.dumps(rows, ensure_ascii=False, indent=1))
        return 0
    for question, row in zip(questions, readings, strict=True):
        print(f"Question: {question}")
        if row["answered"]:
            start, end = row["start_char"], row["end_char"]
            print(f"Answer:   {row['text']}")
            print(f"Span:     characters {start} to {end}: {_in_place(context, start, end)}")
        else:
            print("Answer:   not answered here")
        score = "none" if row["score"] is None else f"{row['score']:.2f}"
        print(f"Score:    {score} (log-odds against no answer)")
        if row["probability"] is not None:
            print(f"Sure:     {row['probability']:.0%} that the best span is exactly right")
    status = chosen.tags.get("validation_status", "unknown")
    print(f"Model:    {chosen.name} version {chosen.version}, validation_status={status}")
    return 0


def _read_context(given: str) -> str:
    """The file's text if there is such a file, else the words themselves."""
    path = Path(given)
    try:
        is_file = len(given) < 1000 and path.is_file()
    except OSError:
        is_file = False
    if not is_file:
        looks_like_path = "/" in given and " " not in given
        if looks_like_path or not given.strip():
            raise InputError(
                f"--context: the file {given!r} does not exist; give a text file or text"
            )
        return given
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"--context: the file {path} is not readable UTF-8 text: {error}"
        ) from None


def _in_place(context: str, start: int, end: int) -> str:
    """The answer among its neighbours, on one line."""
    before, after = context[max(0, start - 40) : start], context[end : end + 40]
    return " ".join(f"…{before}[{context[start:end]}]{after}…".split())
