"""Runs a race on this machine: the same DAG by kfp.local, one contender after the other."""

import contextlib
import os
import signal
import sys
import warnings
from collections.abc import Callable
from types import FrameType
from typing import Any

from launch.cache import watch_cache
from launch.console import Console
from launch.placement import Placement
from launch.plan import Plan, check_experiment, plan_race
from launch.registered import resolve_models
from launch.step_processes import preloaded_steps
from launch.temporary import temporary_files
from squadron import provenance, storage, tracking
from squadron.config import Experiment
from squadron.errors import EXIT_CODE_INPUT_ERROR, InputError
from squadron.progress import EVENTS_VARIABLE
from squadron.requirements import SEARCH_DOCUMENTS, require_packages
from squadron.runs_folder import places, runs_lock, step_notes
from squadron.runs_folder.kept import CHECKPOINTS_VARIABLE
from squadron.runs_folder.places import RUNS
from squadron.runs_folder.race_use import UseNotes

EXIT_CODE_INTERRUPTED = 130


def run_here(experiment: Experiment, build_pipeline: Callable[[Placement], Any]) -> int:
    """Runs a race to its end, after any other race that uses the folder `runs/`.

    A race that is run again goes on from the steps that are done.

    Returns:
        The exit code: 0, 2 for bad input (after one sentence), 130 for an interruption, 1 for any
        other failure.
    """
    with contextlib.ExitStack() as stack:
        # It starts first, because its imports take longer than the plan.
        stack.enter_context(preloaded_steps())
        check_experiment(experiment)
        has_documents = experiment.documents.are_given
        if has_documents:
            require_packages(SEARCH_DOCUMENTS, "Documents need")
        if experiment.results:
            storage.require_writable(experiment.results)
        try:
            held = runs_lock.hold(RUNS, f"the race {experiment.name}", _say_waiting)
            lock = stack.enter_context(held)
        except KeyboardInterrupt:
            print("Nothing was started. The race that runs goes on.", file=sys.stderr)
            return EXIT_CODE_INTERRUPTED
        # Not planned earlier, because the race before this one may have changed the champion.
        plan = plan_race(resolve_models(experiment, is_local=True))
        lock.describe(f"the race {plan.race}")
        return _run_alone(plan, build_pipeline, has_documents=has_documents)


def _say_waiting(holder: str) -> None:
    print(
        f"The folder {RUNS.resolve()} is in use by {holder}. This race waits until that has "
        "ended; Ctrl-C leaves",
        file=sys.stderr,
        flush=True,
    )


def _run_alone(
    plan: Plan, build_pipeline: Callable[[Placement], Any], *, has_documents: bool
) -> int:
    """Runs a planned race. The caller holds the lock of the folder."""
    try:
        log = (RUNS / places.LOG).open("a", encoding="utf-8")
        uses = UseNotes(RUNS, plan.race.name, plan.race.key)
    except OSError as error:
        raise InputError(f"The folder {RUNS.resolve()} can't be written: {error}") from None
    _set_environment(plan)
    with log, temporary_files(RUNS), warnings.catch_warnings():
        from kfp import local

        warnings.simplefilter("ignore")  # about images and limits, which kfp.local ignores
        local.init(
            local.SubprocessRunner(use_venv=False),
            pipeline_root=str(RUNS / places.PIPELINE),
            workspace_root=str(RUNS / places.WORKSPACE),
            enable_caching=True,
            cache_root=str(RUNS / places.CACHE),
        )
        labels = [each.label for each in plan.contenders]
        console = Console(log, sys.stdout, plan.contenders, has_documents=has_documents)
        console.say(f"race       {plan.race}: {', '.join(labels)}")
        place = Placement("local", resources=None, parallelism=1, has_documents=has_documents)
        pipeline = build_pipeline(place)
        _note_steps(uses, console)
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            with console.capture():
                pipeline(**plan.arguments)
        except KeyboardInterrupt:
            console.close()
            _close_interrupted()
            print("Interrupted. The same command goes on where this stopped.", file=sys.stderr)
            return EXIT_CODE_INTERRUPTED
        except RuntimeError as error:
            console.close()
            return _explain(console, error, log.name)
        console.close()
        uses.finish()
    return 0


def _note_steps(uses: UseNotes, console: Console) -> None:
    """Notes each entry of kfp's cache that the race uses, and what its step took and found."""

    def note_taken(entry: str) -> None:
        uses.note(entry)
        console.expect_cached(step_notes.read_note(RUNS, entry))

    def note_made(entry: str) -> None:
        uses.note(entry)
        if note := console.end_step():
            step_notes.write_note(RUNS, entry, note)

    watch_cache(note_taken, note_made)


def _set_environment(plan: Plan) -> None:
    """Sets the variables that the steps read. Each step is a process that inherits them."""
    os.environ[tracking.URI_VARIABLE] = tracking.tracking_uri()
    os.environ.setdefault(CHECKPOINTS_VARIABLE, str((RUNS / places.CHECKPOINTS).resolve()))
    os.environ[tracking.RACE_VARIABLE] = str(plan.race)
    os.environ.setdefault(provenance.COMMIT_VARIABLE, provenance.commit())
    os.environ[EVENTS_VARIABLE] = "1"


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _close_interrupted() -> None:
    from squadron import steps

    os.environ.pop(EVENTS_VARIABLE, None)
    with contextlib.suppress(SystemExit, Exception):
        steps.close_race(state="KILLED", message="interrupted by a person or a signal")


def _explain(console: Console, error: Exception, log: str) -> int:
    """Prints why a race failed and what to do next, and returns the exit code.

    If a step has explained its failure, its sentence is printed; otherwise the log is named.
    """
    if console.failure is None:
        print(f"The pipeline failed: {error} The whole log is {log}", file=sys.stderr)
        print("Next: the same command goes on from the steps that are done.", file=sys.stderr)
        return 1
    step, text, is_input = console.failure
    print(f"{step}: {text}", file=sys.stderr)
    again = "run the same command again: it goes on from the steps that are done"
    if is_input:
        print(f"Next: correct this, then {again}.", file=sys.stderr)
        return EXIT_CODE_INPUT_ERROR
    print(f"Next: see the whole log in {log}, then {again}.", file=sys.stderr)
    return 1
