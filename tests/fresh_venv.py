"""Makes virtual environments with exactly what a requirements.txt asks for, without installing.

`pip install -r requirements.txt` puts three sets of distributions into an environment: the listed
ones, what their metadata requires, and so on until nothing new is required. This module computes
the same set from the same metadata (extras and markers included), finds those distributions among
the ones that are installed here, and links their files into the new environment. A distribution
that is not required is not there, so its import fails as it fails after a real installation.

One difference remains: pip chooses the newest versions of what is not pinned, and here it is the
versions that are installed, as with `pip install -c constraints.txt`.
"""

import functools
import importlib.metadata
import os
import subprocess
import venv
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import Distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def read_requirements(file: Path) -> list[str]:
    """Returns the requirements of a file. It may hold blank lines and comments but no options."""
    lines = [line.partition("#")[0].strip() for line in file.read_text("utf-8").splitlines()]
    wanted = [line for line in lines if line]
    assert wanted, f"{file} is empty"
    assert not [line for line in wanted if line.startswith("-")], f"{file} has options of pip"
    return wanted


def close_over(requirements: Iterable[str]) -> dict[str, Distribution]:
    """Returns the distributions that the requirements would install, by canonical name.

    Raises:
        AssertionError: If one is not installed here, or in a version that is not allowed.
    """
    found: dict[str, Distribution] = {}
    done: set[tuple[str, str]] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        distribution = found.setdefault(name, importlib.metadata.distribution(name))
        assert wanted.specifier.contains(distribution.version, prereleases=True), (
            f"{wanted} is required and {distribution.version} is installed"
        )
        inner = [Requirement(text) for text in distribution.requires or ()]
        # The empty extra stands for what every installation needs.
        for extra in {"", *wanted.extras} - {extra for known, extra in done if known == name}:
            done.add((name, extra))
            waiting += [r for r in inner if not r.marker or r.marker.evaluate({"extra": extra})]
    return found


def make_venv(folder: Path, distributions: Mapping[str, Distribution]) -> Path:
    """Makes an environment with only these distributions, and returns its interpreter.

    Args:
        folder: Of the new environment.
        distributions: By canonical name, as `close_over` gives them.
    """
    venv.create(folder, symlinks=True, with_pip=False)
    (packages,) = folder.glob("lib/python3*/site-packages")
    owners = _find_owners()
    for distribution in distributions.values():
        for file in _packaged_files(distribution):
            # A whole folder is one link and brings its bytecode. Folders that hold something of
            # another distribution, such as google/, are linked file by file.
            is_whole = owners[file.parts[0]] <= distributions.keys()
            part = file.parts[0] if is_whole else file
            place = packages / part
            if not place.is_symlink():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(distribution.locate_file(part))
    return folder / "bin" / "python"


def _packaged_files(distribution: Distribution) -> Iterator[importlib.metadata.PackagePath]:
    """Yields its files in site-packages, without scripts (outside) and without bytecode."""
    for file in distribution.files or ():
        if file.parts[0] != ".." and "__pycache__" not in file.parts:
            yield file


@functools.cache
def _find_owners() -> Mapping[str, set[str]]:
    """Returns the distributions that own something in each folder or file of site-packages."""
    owners: dict[str, set[str]] = {}
    for distribution in importlib.metadata.distributions():
        name = canonicalize_name(distribution.name)
        for file in _packaged_files(distribution):
            owners.setdefault(file.parts[0], set()).add(name)
    return owners


def run_code(
    python: Path, code: str, *arguments: str, folder: Path, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Runs code with an interpreter that sees nothing of the process that calls it."""
    ours = ("PYTHON", "MLFLOW_", "SQUADRON_", "VIRTUAL_ENV")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return subprocess.run(
        [str(python), "-I", "-c", code, *arguments],
        cwd=folder,
        env=environment | variables,
        capture_output=True,
        text=True,
    )
