"""The commands of `squadron`: one file per command, behind one contract. The folder is the list.

A command is a module with

- `HELP`: what it does, in a few words for the list of commands;
- `add_arguments(parser)`: its own arguments;
- `run(options)`: does the work and returns the exit code. Its docstring is the command's help.

Every command line reads all of these files, so they import heavy packages inside functions.
"""

import argparse
import importlib
import pkgutil
from typing import Protocol, cast


class Command(Protocol):
    """What a file of this folder offers."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds the command's own arguments."""
        ...

    def run(self, options: argparse.Namespace) -> int:
        """Does the work; returns the exit code."""
        ...


def list_commands() -> list[str]:
    """The names of all commands: the files of this folder."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def load_command(name: str) -> Command:
    """The command of that name, which is one of `list_commands`."""
    return cast(Command, importlib.import_module(f"{__name__}.{name}"))
