"""`squadron step`: runs one step of a race by hand."""

import argparse
import inspect
from typing import Any

HELP = "run one step of a race by hand"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds one command for each step."""
    from squadron import steps

    which = parser.add_subparsers(dest="step", required=True)
    for each in steps.STEPS:
        _add_step(which, each.name)


def run(options: argparse.Namespace) -> int:
    """Runs one step of a race by hand, with the arguments that its component gets."""
    from squadron import steps

    function = getattr(steps, options.step)
    values = {name: getattr(options, name) for name in inspect.signature(function).parameters}
    function(**values)
    return 0


def _add_step(commands: Any, name: str) -> None:
    """Adds the command of one step. The keyword arguments of the step become its options.

    A path is given as text; the step itself makes it a Path.
    """
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
