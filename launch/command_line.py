"""The command line of pipeline.py: check | run | compile | submit."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from squadron import __version__
from squadron.config import load_experiment
from squadron.errors import EXIT_CODE_INPUT_ERROR, InputError
from squadron.runs_folder.places import RUNS


def main(arguments: Sequence[str], build_pipeline: Callable[..., Any]) -> int:
    """Runs one command and returns its exit code."""
    options = _parser().parse_args(arguments)
    try:
        experiment = load_experiment(options.experiment, tuple(options.set), options.profile)
        if options.command == "check":
            from launch.check import check_here

            return check_here(experiment)
        if options.command == "run":
            from launch.local import run_here

            return run_here(experiment, build_pipeline)
        from launch import cluster

        if options.command == "compile":
            return cluster.compile_race(experiment, build_pipeline, options)
        return cluster.submit_race(experiment, build_pipeline, options)
    except InputError as error:
        print(error, file=sys.stderr)
        return EXIT_CODE_INPUT_ERROR


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pipeline.py", description="Train contenders, let them race, register the best."
    )
    parser.add_argument("--version", action="version", version=f"squadron {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="settings and data, without a run")
    run = commands.add_parser("run", help="the whole DAG on this machine")
    compiled = commands.add_parser("compile", help="write the pipeline's YAML")
    submit = commands.add_parser("submit", help="send a run to a Kubeflow Pipelines server")
    for command in (check, run, compiled, submit):
        command.add_argument("experiment", type=Path, help="a file of experiments/")
        command.add_argument(
            "--profile", default="", metavar="NAME", help="one of the file's profiles, such as cpu"
        )
        command.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="SECTION.KEY=VALUE",
            help="override one value of the experiment; may be repeated",
        )
    for command in (compiled, submit):
        command.add_argument(
            "--image", default="", help="the step image, with a tag or digest that never moves"
        )
    compiled.add_argument("--output", type=Path, default=RUNS / "pipeline.yaml")
    compiled.add_argument(
        "--native", action="store_true", help="Kubernetes-native Pipeline and PipelineVersion"
    )
    compiled.add_argument("--namespace", default="squadron", help="of the native resources")
    submit.add_argument("--host", default="", help="URL of the Kubeflow Pipelines API")
    submit.add_argument("--namespace", default="squadron")
    submit.add_argument("--token", default="", help="bearer token; or set KFP_TOKEN")
    submit.add_argument(
        "--service-account-token",
        action="store_true",
        help="use the service account token mounted in this pod",
    )
    submit.add_argument("--kfp-experiment", default="", help="default: the experiment's name")
    submit.add_argument("--run-name", default="", help="default: name and race key")
    submit.add_argument("--service-account", default="squadron-runner", help="of the steps")
    submit.add_argument("--wait", action="store_true", help="until the run has ended")
    submit.add_argument("--timeout-minutes", type=float, default=24 * 60, help="of --wait")
    return parser
