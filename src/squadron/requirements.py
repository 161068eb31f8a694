"""What must be installed where a part of this package runs, read from the imports of its files.

A registered model brings this package along and asks for everything else in its requirements.txt.
A list by hand would be wrong as soon as a file gets a new import, so there is none.
"""

import ast
import functools
import importlib.metadata
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from squadron import provenance


def find_distributions(module: str) -> set[str]:
    """The distributions that a module of this package imports, itself or by way of others of it.

    Imports inside of functions count, and imports for type checking do not. A package that is not
    installed is left out: whatever ran here ran without it.

    Args:
        module: Dotted name, such as "squadron.reader".

    Returns:
        Names as on PyPI, such as "PyYAML".
    """
    found: set[str] = set()
    for package in find_packages(module):
        owners = _owners().get(package, [])
        # mlflow-skinny and mlflow-tracing bring a folder mlflow, too.
        same = [name for name in owners if _normalise(name) == _normalise(package)]
        found.update(same or owners)
    return found


def find_packages(module: str, package: Path = provenance.PACKAGE) -> set[str]:
    """The packages of others that a module can import, by the names that Python has for them.

    Args:
        module: Dotted name of a module of the package; all files of the package that it can import
            are read.
        package: Its folder.
    """
    files = provenance.reachable_files([module.removeprefix(f"{package.name}.")], package)
    found = {
        name.partition(".")[0]
        for file in files
        if file.suffix == ".py"
        for name in _find_imports(file)
    }
    return found - sys.stdlib_module_names - {package.name}


def pin(distributions: Iterable[str]) -> list[str]:
    """Lines of a requirements.txt with the versions that are installed here, sorted."""
    # A local part, such as +cpu of torch, names a build and not a version that an index has.
    return sorted(
        f"{name}=={importlib.metadata.version(name).partition('+')[0]}" for name in distributions
    )


@functools.cache
def _owners() -> Mapping[str, list[str]]:
    """The distributions that bring each importable name."""
    return importlib.metadata.packages_distributions()


def _normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _find_imports(file: Path) -> Iterator[str]:
    """The dotted names that a file imports when it runs."""
    for statement in provenance.executed_statements(ast.parse(file.read_bytes())):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            yield statement.module
