"""`squadron serve`: answers questions over HTTP with a registered model."""

import argparse
import dataclasses
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from squadron.commands._libraries import silence_libraries
from squadron.commands._model_arguments import add_model_arguments
from squadron.cores import limit_threads
from squadron.errors import InputError
from squadron.requirements import SERVE, require_packages

if TYPE_CHECKING:
    from squadron.open_domain import Search
    from squadron.registry.following import Followed
    from squadron.serving.engine import Engine
    from squadron.serving.settings import Settings

HELP = "answer questions over HTTP with a registered model"
TOKEN_VARIABLE = "SQUADRON_SERVE_TOKEN"
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")
PASSAGES = 10
"""The most passages that are read for a question from documents."""
FLAGS = {
    "max_body_bytes": ("BYTES", "largest body of a request"),
    "max_question_chars": ("N", "longest question, in characters"),
    "max_context_chars": ("N", "longest text of a question, all contexts together"),
    "max_contexts": ("N", "most contexts of a question"),
    "max_questions": ("N", "most questions of a request to /invocations"),
    "max_queue": ("N", "most questions that wait for the model"),
    "max_batch_tokens": ("N", "most tokens that the model reads at once"),
    "max_batch_ms": ("MS", "longest time of a batch of several questions"),
    "request_seconds": ("S", "longest time until a request is answered"),
    "body_seconds": ("S", "longest time in which a body must arrive"),
    "follow_seconds": ("S", "time between two questions to the registry"),
    "drain_seconds": ("S", "time between SIGTERM and the end of new requests"),
}
"""Settings that have an option of the command line."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the model, the address, the index, the token and the limits."""
    from squadron.serving.settings import Settings

    add_model_arguments(parser)
    parser.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    parser.add_argument(
        "--port", type=int, default=8080, help="default: %(default)s; 0 takes any that is free"
    )
    parser.add_argument(
        "--allowed-hosts",
        default="",
        metavar="NAMES",
        help="names by which clients may call the server, with commas between them, or *; default: "
        "names of this machine if --host is local, else any",
    )
    parser.add_argument(
        "--index", default="", metavar="PLACE", help="an index that `squadron index` made"
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help=f"a bearer token that requests must have; or in {TOKEN_VARIABLE}",
    )
    parser.add_argument(
        "--log-questions", action="store_true", help="write questions and answers into the log"
    )
    defaults = {field.name: field for field in dataclasses.fields(Settings)}
    for name, (metavar, text) in FLAGS.items():
        default = defaults[name].default
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=type(default),
            default=default,
            metavar=metavar,
            help=f"{text}; default: %(default)s",
        )


def run(options: argparse.Namespace) -> int:
    """Answers questions over HTTP, and follows the alias of the model.

    If the alias moves to another version, that one is loaded, tried, and then answers; no request
    fails. SIGTERM ends the server after the requests under way. The log on standard output has one
    JSON object per line. docs/how-to/serve.md describes the routes.
    """
    # As the first process of a container this process would ignore the signal while it loads.
    signal.signal(signal.SIGTERM, _end_at_once)
    # Both must come before torch is imported.
    limit_threads()
    silence_libraries()
    require_packages(SERVE, "The server needs", "serving")
    settings = _read_settings(options)
    from squadron.serving import logs, running
    from squadron.serving.following import Follower
    from squadron.serving.service import Service

    # The socket is opened first: a port that is taken is said before a model is loaded.
    with running.open_socket(options.host, options.port) as listening:
        search = _open_search(options.index) if options.index else None
        engine, followed = _load(options.model, options.version)
        logs.start_log(sys.stdout)
        service = Service(engine, settings, search)
        service.try_engine(engine)
        follower = Follower(service, followed, settings.follow_seconds) if followed else None
        place = f"http://{_show_host(options.host)}:{listening.getsockname()[1]}"
        running.run(service, listening, follower, lambda: _say_started(engine, followed, place))
    return 0


def _end_at_once(number: int, frame: object) -> None:
    """Ends the process before it serves; `running` gives SIGTERM another meaning after that."""
    raise SystemExit(128 + number)


def _say_started(engine: "Engine", followed: "Followed | None", place: str) -> None:
    """Says on standard error what is served where; the log on standard output says it, too."""
    from squadron.serving.logs import log

    what = f"{engine.name} version {engine.version}" if engine.version else engine.name
    follows = f", which follows the alias {engine.alias}" if followed else ""
    print(f"Serving {what}{follows} at {place}", file=sys.stderr, flush=True)
    log("started", place=place, name=engine.name, version=engine.version, alias=engine.alias)


def _show_host(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _read_settings(options: argparse.Namespace) -> "Settings":
    """Returns the settings of the command line.

    Raises:
        InputError: If a limit allows nothing, or the file of the token can't be used.
    """
    from squadron.serving.settings import Settings

    limits = {name: getattr(options, name) for name in FLAGS}
    token = _read_token(options.token_file)
    hosts = _choose_hosts(options.allowed_hosts, options.host)
    return Settings(**limits, log_questions=options.log_questions, allowed_hosts=hosts, token=token)


def _choose_hosts(given: str, host: str) -> tuple[str, ...]:
    """Returns the names by which clients may call the server; () for any.

    Args:
        given: What the command line says.
        host: Where the server listens.
    """
    if given:
        names = tuple(name for each in given.split(",") if (name := each.strip().lower()))
        return () if "*" in names else names
    own = _show_host(host)
    return LOCAL_HOSTS if own in LOCAL_HOSTS else ()


def _read_token(file: Path | None) -> str:
    """Returns the token that requests must have; "" for none.

    Raises:
        InputError: If the file can't be read, or has no token of one line.
    """
    if file is None:
        return os.environ.get(TOKEN_VARIABLE, "").strip()
    try:
        token = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"--token-file: {file} can't be read: {error}") from None
    if not token or not token.isascii() or len(token.split()) != 1:
        raise InputError(f"--token-file: {file} must hold one token of printable ASCII characters")
    return token


def _open_search(place: str) -> "Search":
    """Opens the index of documents.

    Raises:
        InputError: If there is none, or a package that reads it is missing.
    """
    from squadron.commands._document_search import DocumentSearch, open_index

    return DocumentSearch(open_index(place), PASSAGES)


def _load(model: str, version: str) -> "tuple[Engine, Followed | None]":
    """Loads the model that answers first.

    Returns:
        The model, and the aliases that the server follows; None if it follows none.

    Raises:
        InputError: If there is no such model, or it can't be loaded.
    """
    from squadron.registry import open_model
    from squadron.registry.following import find_followed
    from squadron.serving.engine import load_engine, load_version

    followed = find_followed(model, version)
    if followed is None:
        with open_model(model, version) as opened:
            return load_engine(opened), None
    return load_version(*followed.find()), followed
