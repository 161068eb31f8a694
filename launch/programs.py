"""Writes the commands that a person is told to run next, so that they run as they are shown."""

import shlex
import shutil
import sys
from pathlib import Path

from squadron import tracking
from squadron.tracking import DEFAULT_FOLDER


def squadron_command() -> str:
    """Returns the command `squadron` of this installation."""
    return _command("squadron")


def pages_command() -> str:
    """Returns the command that shows MLflow's pages of the store in use, or a server's address."""
    store = tracking.shown_store()
    if store.startswith("http"):
        return store
    if _is_checkout() and store == f"sqlite:///{(DEFAULT_FOLDER / 'mlflow.db').resolve()}":
        return "make ui"
    return f"{_command('mlflow')} server --backend-store-uri {shlex.quote(store)}"


def _is_checkout() -> bool:
    """Whether the working folder has a Makefile with the target `ui`."""
    makefile = Path("Makefile")
    return makefile.is_file() and "\nui:" in makefile.read_text(encoding="utf-8", errors="replace")


def _command(name: str) -> str:
    """Returns how to run a program of this installation.

    That is its name if the PATH finds it, and otherwise its path. The PATH of a shell outside the
    virtual environment may find the program of another installation. If the installation has no
    such program, the interpreter runs the module of that name.
    """
    # The interpreter of a virtual environment is a link to one in another folder, so the link is
    # not followed.
    folder = Path(sys.executable).absolute().parent
    program = folder / name
    if program.is_file():
        return name if _is_found(name, folder) else _shown(program)
    interpreter = Path(sys.executable)
    python = interpreter.name if _is_found(interpreter.name, folder) else _shown(interpreter)
    return f"{python} -m {name}"


def _is_found(name: str, folder: Path) -> bool:
    """Whether the PATH finds the program in this folder first."""
    found = shutil.which(name)
    return found is not None and Path(found).absolute().parent == folder


def _shown(program: Path) -> str:
    """Returns the path of a program: relative if it is below the working folder, else absolute."""
    path = program.absolute()
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
