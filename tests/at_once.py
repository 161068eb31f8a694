"""Calls a function in two processes at the same moment, and holds functions for such calls."""

import logging
import multiprocessing
import os
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PROCESSES = 2
_PATIENCE_SECONDS = 1800.0
"""Far more than the slowest machine needs, so that only a deadlock takes this long."""


def call_at_once(
    function: Callable[..., Any], rounds: Sequence[tuple[Any, ...]], folder: Path
) -> list[list[Any]]:
    """Calls `function(*arguments)` in two processes at the same moment, round after round.

    Args:
        function: A function of a module, because the other processes import it.
        rounds: The arguments of each round. Both processes get the same.
        folder: The working directory of the processes.

    Returns:
        What the two calls of each round returned.

    Raises:
        AssertionError: If a call raised an error, with every traceback.
    """
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(PROCESSES)
    answers = context.Queue()
    arguments = (function, list(rounds), str(folder), barrier, answers)
    workers = [context.Process(target=_work, args=arguments) for _ in range(PROCESSES)]
    for worker in workers:
        worker.start()
    returned: list[list[Any]] = [[] for _ in rounds]
    problems = []
    for _ in range(PROCESSES * len(rounds)):
        number, is_problem, value = answers.get(timeout=_PATIENCE_SECONDS)
        if is_problem:
            problems.append(f"round {number + 1}:\n{value}")
        else:
            returned[number].append(value)
    for worker in workers:
        worker.join()
    assert not problems, f"{len(problems)} calls failed\n" + "\n".join(problems)
    return returned


def _work(
    function: Callable[..., Any], rounds: list[Any], folder: str, barrier: Any, answers: Any
) -> None:
    os.chdir(folder)
    logging.disable(logging.CRITICAL)
    import mlflow.pyfunc  # No round may depend on which process imports faster.
    import mlflow.store.tracking.sqlalchemy_store  # noqa: F401

    for number, arguments in enumerate(rounds):
        barrier.wait(_PATIENCE_SECONDS)
        try:
            answers.put((number, False, function(*arguments)))
        except BaseException:
            answers.put((number, True, traceback.format_exc(limit=-6)))


def make_store(uri: str) -> str:
    """Connects to a new store, which makes its schema; returns the id of the experiment."""
    from squadron import tracking
    from squadron.tracking.experiments import find_or_create_experiment

    os.environ[tracking.URI_VARIABLE] = uri
    client = tracking.connect()
    with tracking.explained():
        return find_or_create_experiment(client, "at-once")


def open_race(uri: str, name: str, labels: list[str]) -> tuple[str, ...]:
    """Opens a race; returns the run ids of its parent and of its contenders."""
    from squadron import tracking

    os.environ[tracking.URI_VARIABLE] = uri
    race = tracking.Race(name, "0123abcd")
    tracking.open_race(race, labels, {"name": name}, "4f2a9c1")
    children = [tracking.find_child(race, label) for label in labels]
    return (tracking.find_parent(race), *children)


def register_model(uri: str, name: str, run_id: str, model: str) -> str:
    """Registers a model folder; returns the version."""
    from squadron import tracking
    from squadron.answers.answering import Answering
    from squadron.registry import registration

    os.environ[tracking.URI_VARIABLE] = uri
    tags = {"licence": "mine", "git_sha": "4f2a9c1"}
    return registration.register_model(name, run_id, Path(model), Answering(), tags).version


def promote(uri: str, name: str) -> tuple[str, str]:
    """Points the new alias staging at a version of a model, each process at another one.

    Returns:
        The version that this process tried to promote, and what it was told; "" if it won.
    """
    from squadron import tracking
    from squadron.errors import InputError
    from squadron.registry import promotions

    os.environ[tracking.URI_VARIABLE] = uri
    version = "1"
    try:
        Path(name).touch(exist_ok=False)
    except FileExistsError:
        version = "2"
    try:
        promotions.move_alias(name, promotions.STAGING, version, expected="")
    except InputError as error:
        return version, str(error)
    return version, ""
