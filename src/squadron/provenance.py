"""Digests of the code and data that a race was planned with, and checks against them.

A race is planned on one machine and runs on others. For each step, the plan holds a digest of all
files of this package that the step can import. The digest is part of the step's cache key: if a
module changes, exactly the steps that can import it run again. Each step computes the digest of
its own files and refuses to run if it differs.

Owns the digests that a step is given, digests of code, and the commit. The digests of data and
backbones are computed by `storage`, `models.backbones` and `registry`.
"""

import ast
import contextlib
import functools
import hashlib
import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from squadron.errors import InputError

COMMIT_VARIABLE = "SQUADRON_GIT_SHA"
"""Holds the commit of the code that runs. An image sets it, and the launcher sets it for steps."""
PACKAGE = Path(__file__).parent
DIGEST_LENGTH = 16
"""Number of hexadecimal digits in a digest."""


@dataclass(frozen=True)
class Digests:
    """The digests that a step was planned with."""

    code: str
    """Digest of the files that the step can import; see `code_digest`."""
    roots: tuple[str, ...]
    """The modules with which the step begins; see `code_digest`."""
    data: dict[str, str] = field(default_factory=dict)
    """Location of a data file -> digest of its content."""
    backbones: dict[str, str] = field(default_factory=dict)
    """Name of a backbone in the experiment -> its fingerprint."""

    def __str__(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    def check_data(self, location: str, found: str) -> None:
        """Refuses a data file whose content is not what the race was planned with.

        Raises:
            InputError: If the digest differs. Locations that were not planned are not compared.
        """
        _compare(f"The data file {location}", self.data.get(location, found), found)

    def check_backbone(self, backbone: str, found: str) -> None:
        """Refuses a backbone whose content is not what the race was planned with.

        Raises:
            InputError: If the fingerprint differs. A backbone that was not planned is not compared.
        """
        _compare(f"The backbone {backbone}", self.backbones.get(backbone, found), found)


def read_digests(text: str) -> Digests:
    """Reads digests from JSON; with "", the result accepts everything."""
    if not text:
        return Digests("", ())
    fields = json.loads(text)
    return Digests(fields["code"], tuple(fields["roots"]), fields["data"], fields["backbones"])


def plan_digests(
    roots: Sequence[str],
    data: dict[str, str] | None = None,
    backbones: dict[str, str] | None = None,
) -> Digests:
    """Returns the digests of a step that begins with these modules, for the code that runs here."""
    return Digests(code_digest(roots), tuple(roots), data or {}, backbones or {})


def code_digest(roots: Sequence[str], package: Path = PACKAGE) -> str:
    """Returns a digest of the files that some modules of this package can import.

    Args:
        roots: Names of modules below the package, such as "steps.train" or "models.variants.crf".
        package: Its folder.

    Returns:
        Hexadecimal digits. Equal files in equal places give equal digests on every machine.
    """
    return _digest_files(reachable_files(roots, package), package)


def package_digest(package: Path = PACKAGE) -> str:
    """Returns a digest of all source files and templates, which identifies the code of an image."""
    files = sorted(path for end in ("py", "j2") for path in package.rglob(f"*.{end}"))
    return _digest_files(files, package)


def reachable_files(roots: Sequence[str], package: Path = PACKAGE) -> list[Path]:
    """Returns the files of the package that some of its modules can import or read, sorted.

    Imports inside functions count; imports for type checkers do not. A string with the name of a
    template, or of a module such as "serving/pyfunc.py", counts as an import of that file. If a
    module lies in a package, the `__init__` of the package counts as a file. The imports of this
    `__init__` count only if something imports the package itself: `steps` imports all steps in
    order to offer them to others.

    Args:
        roots: Names of modules below the package.
        package: Its folder.

    Raises:
        ValueError: If no module has one of the names.
    """
    waiting = [_find_file(root, package) for root in roots]
    found: set[Path] = set()
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += _read_uses(path, package, path.read_bytes())
    folders = {path.parent for path in found}
    packages = {parent for folder in folders for parent in (folder, *folder.parents)}
    around = {
        parent / "__init__.py"
        for parent in packages
        if parent.is_relative_to(package) and (parent / "__init__.py").is_file()
    }
    return sorted(found | around)


def check_code(step: str, planned: Digests) -> None:
    """Refuses to run code that is not what the race was planned with.

    Args:
        step: Name of the step, for the message.
        planned: What the step was given. Without a digest of code, nothing is compared.

    Raises:
        InputError: If the files here have another digest.
    """
    found = code_digest(planned.roots) if planned.code else ""
    if found != planned.code:
        raise InputError(
            f"The step {step} runs other code than the race was planned with: its digest is "
            f"{found} (commit {commit()}), not {planned.code}; submit the race from the commit "
            "that the image was built from, or build the image anew, and change no file of "
            "squadron while a race runs"
        )


def commit() -> str:
    """Returns the commit of the code that runs, with "-dirty" at its end if files differ from it.

    SQUADRON_GIT_SHA comes first, then git in the checkout of this file. Returns "unknown" if
    neither knows the commit.
    """
    return os.environ.get(COMMIT_VARIABLE) or _ask_git()


@functools.cache
def _ask_git() -> str:
    """Returns the commit of the checkout of this file, or "unknown"."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        found = subprocess.run(
            command, cwd=PACKAGE, capture_output=True, text=True, check=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return found.stdout.strip()


def _digest_files(files: Sequence[Path], package: Path) -> str:
    sha256 = hashlib.sha256()
    for path in files:
        sha256.update(path.relative_to(package).as_posix().encode() + b"\0")
        sha256.update(path.read_bytes() + b"\0")
    return sha256.hexdigest()[:DIGEST_LENGTH]


def _compare(what: str, planned: str, found: str) -> None:
    if found != planned:
        raise InputError(
            f"{what} has other content than when the race was planned: its digest is {found}, not "
            f"{planned}; start the race again, and change nothing of it while it runs"
        )


def _find_file(module: str, package: Path) -> Path:
    """Returns the file of a module of the package.

    Raises:
        ValueError: If there is no such module.
    """
    place = package.joinpath(*module.split(".")) if module else package
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    if not file.is_file():
        raise ValueError(f"{module!r} is no module of {package}")
    return file


@functools.cache
def _read_uses(path: Path, package: Path, content: bytes) -> tuple[Path, ...]:
    """Returns the files of the package that one of its files imports or names."""
    if path.suffix != ".py":
        return ()
    tree = ast.parse(content)
    uses: list[Path] = []
    for statement in executed_statements(tree):
        for module in _imported(statement, package.name):
            with contextlib.suppress(ValueError):  # it is a name inside a module
                uses.append(_find_file(module, package))
    named = _named_files(package)
    # Few files name another file. To look at all constants of the others would take a second.
    if any(name.encode() in content for name in named):
        texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
        uses += [named[text] for text in texts if isinstance(text, str) and text in named]
    return tuple(uses)


@functools.cache
def _named_files(package: Path) -> dict[str, Path]:
    """Returns the files that a string of the code can name: templates, and modules by path."""
    named = {file.name: file for file in package.rglob("*.j2")}
    return named | {
        file.relative_to(package).as_posix(): file
        for file in package.rglob("*.py")
        if not file.stem.startswith("_")
    }


def executed_statements(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yields all statements of a module except those that only a type checker runs."""
    waiting = list(tree.body)
    while waiting:
        statement = waiting.pop()
        if isinstance(statement, ast.If) and _is_for_checkers(statement.test):
            continue
        yield statement
        for part in ("body", "orelse", "finalbody"):
            waiting += getattr(statement, part, ())
        for part in ("handlers", "cases"):
            for inner in getattr(statement, part, ()):
                waiting += inner.body


def _is_for_checkers(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def _imported(node: ast.AST, package: str) -> list[str]:
    """Returns the names in the package that a statement imports; some may not be modules."""
    if isinstance(node, ast.Import):
        full = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        full = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    else:
        return []
    return [name.removeprefix(f"{package}.") for name in full if name.startswith(f"{package}.")]
