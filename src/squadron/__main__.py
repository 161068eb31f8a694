"""The command line `squadron`. Its commands are the files of `commands/`."""

import argparse
import inspect
import os
import sys
from collections.abc import Sequence

from squadron import __version__, commands
from squadron.commands._libraries import leave
from squadron.errors import EXIT_CODE_INPUT_ERROR, InputError


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0, or 2 for bad input.

    Any other error is raised, so that Python ends with a traceback and exit code 1.
    """
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except InputError as error:
        print(error, file=sys.stderr)
        return EXIT_CODE_INPUT_ERROR


def program() -> None:
    """Runs one command as the program `squadron`, and ends the process."""
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        # A reader such as `head` has seen enough. Nothing more may be written to it, also not when
        # Python flushes its buffers at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    leave(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="squadron", description="Ask, judge and promote the models that races registered."
    )
    parser.add_argument("--version", action="version", version=f"squadron {__version__}")
    which = parser.add_subparsers(dest="command", required=True)
    for name in commands.list_commands():
        command = commands.load_command(name)
        own = which.add_parser(name, help=command.HELP, description=inspect.getdoc(command.run))
        own.set_defaults(run=command.run)
        command.add_arguments(own)
    return parser


if __name__ == "__main__":
    program()
