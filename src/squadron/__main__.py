"""The command line of the package: ask | promote | score | step."""

import argparse
import inspect
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from squadron.errors import EXIT_CODE_INPUT_ERROR, InputError

STEPS = (
    "ingest",
    "admit",
    "open_race",
    "featurize",
    "train",
    "predict",
    "evaluate",
    "register",
    "report",
    "close_race",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns its exit code: 0, 2 for bad input, 1 where a step failed."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except InputError as error:
        print(error, file=sys.stderr)
        return EXIT_CODE_INPUT_ERROR


def ask(options: argparse.Namespace) -> int:
    """Answers questions about one text with a registered model."""
    context = _read_context(options.context)
    questions = [question.strip() for question in options.question]
    if not all(questions):
        raise InputError('A question is empty; give its words, such as "Who built it?"')
    from squadron import registry
    from squadron.reader import Reader, as_dicts

    name = options.model or _latest_model()
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


def promote(options: argparse.Namespace) -> int:
    """Shows a version's figures and points an alias at it."""
    from squadron import registry

    name = options.model or _latest_model()
    chosen = registry.find_version(name, options.version)
    print(f"{chosen.name} version {chosen.version}")
    for key, value in sorted(chosen.tags.items()):
        print(f"  {key:24} {value}")
    if chosen.tags.get("validation_status") == "demo":
        print("This version comes from a demo: its figures rank nothing.")
    if not options.yes and not _agrees(f"Point alias {options.to!r} at it? [y/N] "):
        print("Nothing was changed.")
        return 0
    previous = registry.promote(name, chosen.version, options.to)
    print(f"{options.to}: {name} version {chosen.version}")
    if previous:
        print(f"Before it was version {previous}. To go back:")
        print(f"  squadron promote {previous} --model {name} --to {options.to}")
    return 0


def score(options: argparse.Namespace) -> int:
    """Prints the official SQuAD figures of a predictions file."""
    import logging

    from squadron.scoring import score_files

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    summary, _ = score_files(options.data, options.predictions, options.null_odds)
    if options.bertscore:
        summary |= _bertscore(options.data, options.predictions)
    print(json.dumps(summary, indent=2))
    return 0


def _bertscore(data: Path, predictions: Path) -> dict[str, float]:
    """Mean BERTScore, 0 to 100, of files that `score_files` has read."""
    from squadron.bertscore import BertScorer
    from squadron.scoring import collect_questions

    questions = collect_questions(json.loads(data.read_bytes()))
    chosen = json.loads(predictions.read_bytes())
    texts = [chosen.get(question_id, "") for question_id in questions.ids]
    means = BertScorer().mean_scores(texts, questions.golds)
    return {f"BERTScore_{name}": value for name, value in means.items()}


def step(options: argparse.Namespace) -> int:
    """Runs one step of a race by hand, with the arguments that its component gets."""
    from squadron import steps

    function = getattr(steps, options.step)
    values = {name: getattr(options, name) for name in inspect.signature(function).parameters}
    function(**values)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="squadron", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, run: Callable[[argparse.Namespace], int], help: str) -> Any:
        command = commands.add_parser(name, help=help, description=run.__doc__)
        command.set_defaults(run=run)
        return command

    asking = add("ask", ask, "answer questions about a text")
    asking.add_argument("question", nargs="+", help="one or more, each in quotes")
    asking.add_argument("--context", required=True, help="a text file, or the text itself")
    asking.add_argument("--model", default="", help="default: the one registered last")
    asking.add_argument("--version", default="candidate", help="a number or an alias")
    asking.add_argument("--json", action="store_true", help="one JSON list instead of lines")
    promoting = add("promote", promote, "point an alias at a version, after showing its figures")
    promoting.add_argument("version", help="a number or an alias")
    promoting.add_argument("--to", required=True, choices=["staging"], help="the alias")
    promoting.add_argument("--model", default="", help="default: the one registered last")
    promoting.add_argument("--yes", action="store_true", help="do not ask")
    scoring = add("score", score, "the official SQuAD figures of a predictions file")
    scoring.add_argument("data", type=Path, help="SQuAD JSON, v1.1 or v2.0")
    scoring.add_argument(
        "predictions", type=Path, help='JSON object: question id -> text, "" for none'
    )
    scoring.add_argument(
        "--null-odds",
        type=Path,
        metavar="FILE",
        help="JSON object: question id -> number, higher where it is more likely unanswerable; "
        "adds the best thresholds",
    )
    scoring.add_argument(
        "--bertscore", action="store_true", help="also BERTScore, by the offline encoder"
    )
    stepping = add("step", step, "run one step of a race by hand")
    which = stepping.add_subparsers(dest="step", required=True)
    for name in STEPS:
        _add_step(which, name)
    return parser


def _add_step(commands: Any, name: str) -> None:
    """A step's own keyword arguments become options; Path and text alike are given as text."""
    from squadron import steps

    function = getattr(steps, name)
    command = commands.add_parser(name, help=(function.__doc__ or "").splitlines()[0])
    for parameter in inspect.signature(function).parameters.values():
        many = "Sequence" in str(parameter.annotation)
        option = f"--{parameter.name.replace('_', '-')}"
        optional = parameter.default is not parameter.empty
        command.add_argument(
            option,
            nargs="+" if many else None,
            required=not optional,
            default="" if optional else None,
        )


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


def _latest_model() -> str:
    from squadron import registry, tracking

    names = registry.list_models()
    if not names:
        raise InputError(
            f"No model is registered in {tracking.shown_store()}; run `make run` first"
        )
    return names[0]


def _in_place(context: str, start: int, end: int) -> str:
    """The answer among its neighbours, on one line."""
    before, after = context[max(0, start - 40) : start], context[end : end + 40]
    return " ".join(f"…{before}[{context[start:end]}]{after}…".split())


def _agrees(prompt: str) -> bool:
    try:
        return input(prompt).strip().lower() in ("y", "yes")
    except EOFError:
        raise InputError("There is nobody to ask; add --yes to promote without asking") from None


if __name__ == "__main__":
    sys.exit(main())
