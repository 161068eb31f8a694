"""How the commands that a person is told to run next are written, so that they run from here."""

import shlex
import shutil
import sys
from pathlib import Path

from squadron import tracking
from squadron.tracking import DEFAULT_FOLDER


def squadron_command() -> str:
    """The command `squadron` of this installation."""
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
    """Whether `make ui` is there, in the working folder."""
    makefile = Path("Makefile")
    return makefile.is_file() and "\nui:" in makefile.read_text(encoding="utf-8", errors="replace")


def _command(name: str) -> str:
    """A program of this installation: its name where the PATH finds it, else its path.

    An installation without the program has the module, which the interpreter runs. The PATH of a
    shell without the virtual environment may find the program of another installation.
    """
    # The interpreter of a virtual environment is a link, which must not be followed.
    folder = Path(sys.executable).absolute().parent
    program = folder / name
    if program.is_file():
        return name if _is_found(name, folder) else _shown(program)
    interpreter = Path(sys.executable)
    python = interpreter.name if _is_found(interpreter.name, folder) else _shown(interpreter)
    return f"{python} -m {name}"


def _is_found(name: str, folder: Path) -> bool:
    """Whether the PATH finds a program in this folder before any other."""
    found = shutil.which(name)
    return found is not None and Path(found).absolute().parent == folder


def _shown(program: Path) -> str:
    """The path of a program, from the working folder where the program is below it."""
    path = program.absolute()
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
