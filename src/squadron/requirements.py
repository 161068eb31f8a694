"""Finds what must be installed where a part of this package runs, from the imports of its files.

A registered model contains this package and lists everything else in its requirements.txt. A list
that someone maintains by hand would be wrong after the next new import, so there is none.
"""

import ast
import functools
import importlib.metadata
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from squadron import provenance
from squadron.errors import InputError

READ_DOCUMENTS = ("pypdfium2",)
"""The package of the extra `documents` that reads documents."""
SEARCH_DOCUMENTS = ("lancedb", *READ_DOCUMENTS)
"""All packages of the extra `documents`, which `make run` does not install."""
ONNX = ("onnx", "onnxruntime", "onnxscript")
"""The packages of the extra `onnx`, which write a model as an ONNX file and answer with it."""
SERVE = ("fastapi", "uvicorn", "prometheus_client")
"""The packages of the extra `serving`."""
PARTS = {"mlflow": "mlflow-skinny"}
"""Distribution -> its part that may be installed alone, with the same version. The part is enough
for a race, but not for a registered model: that is served by the whole distribution."""


def require_packages(packages: Iterable[str], needed_by: str, extra: str = "documents") -> None:
    """Says what to install if a package of an extra is missing.

    Args:
        packages: READ_DOCUMENTS, SEARCH_DOCUMENTS, ONNX or SERVE.
        needed_by: The beginning of the sentence, such as "Documents need".
        extra: The extra of this package that has them.

    Raises:
        InputError: With the first package that is missing.
    """
    for name in packages:
        if find_spec(name) is None:
            raise InputError(
                f"{needed_by} the package {name}, which is not installed: make setup, or "
                f"pip install 'squadron-qa[{extra}]'"
            )


def find_distributions(module: str) -> set[str]:
    """Returns the distributions that a module of this package imports, directly or indirectly.

    Imports inside functions count; imports for type checkers do not. A package that is not
    installed is left out, because the code has run without it.

    Args:
        module: Dotted name, such as "squadron.reader".

    Returns:
        Names as on PyPI, such as "PyYAML".
    """
    found: set[str] = set()
    for package in find_packages(module):
        owners = _owners().get(package, [])
        if PARTS.get(package) in owners:
            found.add(package)
            continue
        same = [name for name in owners if _normalise(name) == _normalise(package)]
        found.update(same or owners)
    return found


def find_packages(module: str, package: Path = provenance.PACKAGE) -> set[str]:
    """Returns the import names of the third-party packages that a module can import.

    Args:
        module: Dotted name of a module of the package. All files of the package that it can import
            are read.
        package: The folder of the package.
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
    """Returns the sorted lines of a requirements.txt with the versions that are installed here."""
    # A local part, such as +cpu of torch, names a build; package indexes do not have it.
    return sorted(f"{name}=={find_version(name).partition('+')[0]}" for name in distributions)


def find_version(distribution: str) -> str:
    """Returns the installed version of a distribution or of its part."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return importlib.metadata.version(PARTS.get(distribution, distribution))


@functools.cache
def _owners() -> Mapping[str, list[str]]:
    """Returns import name -> the distributions that install it."""
    return importlib.metadata.packages_distributions()


def _normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _find_imports(file: Path) -> Iterator[str]:
    """Yields the dotted names that a file imports when it runs."""
    for statement in provenance.executed_statements(ast.parse(file.read_bytes())):
        if isinstance(statement, ast.Import):
            yield from (alias.name for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            yield statement.module
