"""The commands of `squadron`: one file for each command. Nothing else lists them.

A command is a module with these names:

- `HELP`: a few words for the list of commands.
- `add_arguments(parser)`: adds the arguments of the command.
- `run(options)`: does the work and returns the exit code. Its docstring is the help of the command.

Every call of `squadron` imports all of these files. They therefore import heavy packages inside
functions. They may import every other package of squadron.
"""

import argparse
import importlib
import pkgutil
from typing import Protocol, cast


class Command(Protocol):
    """The names that each file of this folder offers."""

    HELP: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds the command's own arguments."""
        ...

    def run(self, options: argparse.Namespace) -> int:
        """Does the work and returns the exit code."""
        ...


def list_commands() -> list[str]:
    """Returns the names of all commands, which are the files of this folder."""
    return sorted(m.name for m in pkgutil.iter_modules(__path__) if not m.name.startswith("_"))


def load_command(name: str) -> Command:
    """Returns the command with a name that `list_commands` returned."""
    return cast(Command, importlib.import_module(f"{__name__}.{name}"))
