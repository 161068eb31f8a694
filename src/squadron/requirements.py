"""What must be installed where a part of this package runs, read from the imports of its files.

A registered model brings this package along and asks for everything else in its requirements.txt.
A list by hand would be wrong as soon as a file gets a new import, so there is none.
"""

import ast
import functools
import importlib.metadata
import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

PACKAGE = __name__.partition(".")[0]


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


def find_packages(module: str) -> set[str]:
    """The packages of others that a module imports, by the names that Python has for them.

    Args:
        module: Dotted name of a module of this package; the modules of this package that it
            imports are read as well.
    """
    found: set[str] = set()
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        for imported in _find_imports(name):
            if imported.partition(".")[0] == PACKAGE:
                waiting.append(imported)
            else:
                found.add(imported.partition(".")[0])
    return found - sys.stdlib_module_names


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


def _find_imports(module: str) -> Iterator[str]:
    """What importing one module imports by name: its packages, and what stands in its file."""
    parent = module.rpartition(".")[0]
    if parent:
        yield parent
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return
    package = module if spec.submodule_search_locations is not None else parent
    for node in _walk(ast.parse(Path(spec.origin).read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            text = "." * node.level + (node.module or "")
            source = importlib.util.resolve_name(text, package) if node.level else text
            yield source
            if _is_own_package(source):
                names = (f"{source}.{alias.name}" for alias in node.names)
                yield from (name for name in names if importlib.util.find_spec(name))


def _is_own_package(name: str) -> bool:
    """Whether `from name import x` may mean a module x of this package."""
    if name.partition(".")[0] != PACKAGE:
        return False
    spec = importlib.util.find_spec(name)
    return spec is not None and spec.submodule_search_locations is not None


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """All nodes but those that only a type checker reads."""
    yield node
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            for other in child.orelse:
                yield from _walk(other)
        else:
            yield from _walk(child)
