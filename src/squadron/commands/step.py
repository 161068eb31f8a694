"""`squadron step`: one step of a race, by hand."""

import argparse
import inspect
from typing import Any

HELP = "run one step of a race by hand"
STEPS = (
    "open_race",
    "ingest",
    "admit",
    "featurize",
    "train",
    "predict",
    "evaluate",
    "register",
    "report",
    "close_race",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds one command per step."""
    which = parser.add_subparsers(dest="step", required=True)
    for name in STEPS:
        _add_step(which, name)


def run(options: argparse.Namespace) -> int:
    """Runs one step of a race by hand, with the arguments that its component gets."""
    from squadron import steps

    function = getattr(steps, options.step)
    values = {name: getattr(options, name) for name in inspect.signature(function).parameters}
    function(**values)
    return 0


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
