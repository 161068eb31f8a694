"""The same DAG on this machine: kfp.local with its cache, one contender after the other."""

import contextlib
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from launch.console import Console
from launch.placement import Placement
from launch.plan import check_experiment, plan_race
from launch.registered import resolve_models
from launch.step_processes import preloaded_steps
from squadron import provenance, storage, tracking
from squadron.config import Experiment
from squadron.errors import EXIT_CODE_INPUT_ERROR, InputError
from squadron.progress import EVENTS_VARIABLE

RUNS = Path("runs")


def run_here(experiment: Experiment, build_pipeline: Callable[[Placement], Any]) -> int:
    """Runs a race to its end; a repeat goes on where it stopped.

    Returns:
        The exit code: 0, 2 for bad input (one sentence was shown), 1 for anything else.
    """
    check_experiment(experiment)
    if experiment.results:
        storage.require_writable(experiment.results)
    try:
        RUNS.mkdir(exist_ok=True)
        log = (RUNS / "pipeline.log").open("a", encoding="utf-8")
    except OSError as error:
        raise InputError(f"The folder {RUNS.resolve()} can't be written: {error}") from None
    experiment = resolve_models(experiment, is_local=True)
    plan = plan_race(experiment)
    # Every step is a process of its own: what it needs travels in the environment.
    os.environ[tracking.URI_VARIABLE] = tracking.tracking_uri()
    os.environ.setdefault("SQUADRON_CHECKPOINTS", str((RUNS / "checkpoints").resolve()))
    os.environ[tracking.RACE_VARIABLE] = str(plan.race)
    os.environ.setdefault(provenance.COMMIT_VARIABLE, provenance.commit())
    os.environ[EVENTS_VARIABLE] = "1"
    with log, preloaded_steps(), warnings.catch_warnings():
        from kfp import local

        warnings.simplefilter("ignore")  # kfp warns of images and limits, which mean nothing here
        local.init(
            local.SubprocessRunner(use_venv=False),
            pipeline_root=str(RUNS / "pipeline"),
            workspace_root=str(RUNS / "workspace"),
            enable_caching=True,
            cache_root=str(RUNS / "cache"),
        )
        labels = [each["label"] for each in plan.arguments["contenders"]]
        console = Console(log, sys.stdout, labels)
        console.say(f"race       {plan.race}: {', '.join(labels)}")
        pipeline = build_pipeline(Placement(image="local", resources=None, parallelism=1))
        signal.signal(signal.SIGTERM, _interrupt)
        try:
            with console.capture():
                pipeline(**plan.arguments)
        except KeyboardInterrupt:
            console.close()
            _close_interrupted()
            print("Interrupted. The same command goes on where this stopped.", file=sys.stderr)
            return 130
        except RuntimeError as error:
            console.close()
            return _explain(console, error, log.name)
        console.close()
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _close_interrupted() -> None:
    from squadron import steps

    os.environ.pop(EVENTS_VARIABLE, None)
    with contextlib.suppress(SystemExit, Exception):
        steps.close_race(state="KILLED", message="interrupted by a person or a signal")


def _explain(console: Console, error: Exception, log: str) -> int:
    """The step's own sentence where there is one, else where to look."""
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
