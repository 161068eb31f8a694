"""`squadron ask`: answers questions about a text, or from the documents of an index."""

import argparse
import contextlib
import importlib
import json
import multiprocessing
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from squadron import storage, tracking
from squadron.commands._conversation import talk
from squadron.commands._document_search import DocumentSearch, open_index
from squadron.commands._libraries import silence_libraries
from squadron.commands._model_arguments import add_model_arguments
from squadron.commands._questions import check_output, read_questions, write_answers
from squadron.errors import InputError
from squadron.runs_folder import places

if TYPE_CHECKING:
    from squadron.commands._shown import Shown
    from squadron.registry import OpenedModel

HELP = "answer questions about a text or from documents"
QUESTIONS_AT_ONCE = 8
"""Questions between two steps of the progress bar."""

Answer = Callable[[Sequence[str]], "list[Shown]"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the questions, where to look for answers, the model, and the form of the output."""
    parser.add_argument("question", nargs="*", help="one or more, each in quotes")
    parser.add_argument(
        "--questions",
        type=Path,
        metavar="FILE",
        help="more questions: one per line, or CSV or .jsonl with the column `question`",
    )
    parser.add_argument("--interactive", action="store_true", help="ask for questions in turns")
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--context", help="a text file, `-` for standard input, or the text itself")
    where.add_argument(
        "--index",
        default="",
        metavar="PLACE",
        help="an index that `squadron index` made; default: the text that the model keeps from its "
        f"race, else {places.RUNS / places.INDEX}, else the index of its race",
    )
    parser.add_argument(
        "--in",
        dest="document",
        default="",
        metavar="DOCUMENT",
        help="search this document of the index alone: its name or a part of it",
    )
    parser.add_argument(
        "--top-k", type=int, default=10, metavar="N", help="passages to read per question"
    )
    add_model_arguments(parser)
    parser.add_argument(
        "--explain", action="store_true", help="show what each passage and window gave, with scores"
    )
    parser.add_argument("--json", action="store_true", help="one JSON list instead of lines")
    parser.add_argument(
        "--output", type=Path, metavar="FILE", help="write the answers to a .csv or .jsonl file"
    )


def run(options: argparse.Namespace) -> int:
    """Answers questions with a registered model, about one text or from the documents of an index.

    Without --context, the documents of an index are searched, and the passages found are read. A
    model that keeps the context of its race needs neither.
    """
    questions = _read_questions(options)
    if options.output:
        check_output(options.output)
    if options.document and options.context is not None:
        raise InputError("--in names a document of an index; leave it out, or leave out --context")
    if options.top_k < 1:
        raise InputError(f"--top-k: {options.top_k} is not allowed; 1 or more")
    silence_libraries()
    with _asking(options) as asking:
        if options.interactive:
            talk(asking.answer, asking.search)
            return 0
        shown = _answer_all(questions, asking.answer, with_bar=bool(options.output))
        _print(shown, asking.opened, options)
    return 0


def _read_questions(options: argparse.Namespace) -> list[str]:
    """Returns all questions that were given.

    Raises:
        InputError: If there are none, or an empty one.
    """
    questions = [question.strip() for question in options.question]
    if not all(questions):
        raise InputError('A question is empty; give its words, such as "Who built it?"')
    if options.questions:
        questions += read_questions(options.questions)
    if options.interactive and (questions or options.json or options.output):
        raise InputError("--interactive asks for the questions; leave out all others and outputs")
    if not questions and not options.interactive:
        raise InputError('There is no question; give one in quotes, such as "Who built it?"')
    return questions


@dataclass(frozen=True)
class _Asking:
    """The function that answers questions, with its model and its search."""

    answer: Answer
    opened: "OpenedModel"
    search: DocumentSearch | None = None
    """None for questions about one text."""


@contextlib.contextmanager
def _asking(options: argparse.Namespace) -> Iterator[_Asking]:
    """Yields what answers questions, the model that does it, and where it searches.

    Without --context and --index, a model that keeps the context of its race is asked about that
    one. With any other model, the default index is searched, else the one of the model's race.
    """
    from squadron.commands import _ask_text

    context = None if options.context is None else _ask_text.read_context(options.context)
    index = open_index(options.index) if options.index else None
    with _opened(options.model, options.version) as opened:
        has_text = bool(opened.read_context()) and not options.document
        if context is None and index is None and not has_text:
            index = open_index(_find_default_index(opened))
        reader = opened.load_reader()
        if index is None:
            own = context is None
            text = opened.read_context() if context is None else context

            def answer_from_text(questions: Sequence[str]) -> "list[Shown]":
                return _ask_text.answer(questions, text, reader, explain=options.explain, own=own)

            yield _Asking(answer_from_text, opened)
            return
        from squadron.commands import _ask_documents

        search = DocumentSearch(index, options.top_k, options.document)

        def answer_from_documents(questions: Sequence[str]) -> "list[Shown]":
            return _ask_documents.answer(questions, search, reader, explain=options.explain)

        yield _Asking(answer_from_documents, opened, search)


def _find_default_index(opened: "OpenedModel") -> str:
    """Returns the place of the index that is searched if none is named.

    It is the one that `squadron index` makes by default; without it, the one with which the model
    was judged, which is said.

    Raises:
        InputError: If there is neither.
    """
    place = places.RUNS / places.INDEX
    if place.is_dir():
        return str(place)
    judged = opened.index_place
    if judged and (storage.is_remote(judged) or Path(judged).is_dir()):
        print(f"Searched: the index with which the model was judged, {judged}", file=sys.stderr)
        return judged
    raise InputError(
        f"There is no text to look for answers in: give --context FILE_OR_TEXT, or make the "
        f"index {place} with `squadron index DOCUMENTS`"
    )


def _answer_all(questions: Sequence[str], answer: Answer, *, with_bar: bool) -> "list[Shown]":
    """Answers some questions at a time, with a bar if the answers go to a file."""
    if not with_bar:
        return answer(questions)
    from squadron.progress import Progress

    shown = []
    with Progress("ask", len(questions), "questions") as bar:
        for first in range(0, len(questions), QUESTIONS_AT_ONCE):
            part = questions[first : first + QUESTIONS_AT_ONCE]
            shown += answer(part)
            bar.advance(len(part))
    return shown


def _print(shown: "Sequence[Shown]", opened: "OpenedModel", options: argparse.Namespace) -> None:
    """Prints the answers, or writes them to a file."""
    chosen = opened.version
    model = {
        "model": chosen.name if chosen else opened.name,
        "version": chosen.version if chosen else None,
    }
    rows = [{**each.row, **model} for each in shown]
    if options.output:
        write_answers(options.output, rows)
        print(f"{len(rows):,} answers are in {options.output}")
    elif options.json:
        print(json.dumps(rows, ensure_ascii=False, indent=1))
    else:
        for each in shown:
            print("\n".join(each.lines))
        status = chosen.tags.get("validation_status", "unknown") if chosen else ""
        print(f"Model:    {opened.name}{f', validation_status={status}' if status else ''}")


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
