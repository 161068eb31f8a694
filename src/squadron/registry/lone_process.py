"""Loads a saved model where only its own requirements can be imported, and asks it a question.

`trial` runs this file as a process of its own. It imports nothing of this package but the copy that
the model brings.
"""

import importlib.metadata
import json
import sys
from collections.abc import Iterable, Iterator
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, DistributionFinder
from pathlib import Path
from typing import Any

PACKAGE = "squadron"
"""The package that a model brings along; an installed one does not count."""


def close_over(requirements: Iterable[str]) -> set[str]:
    """Returns the distributions that requirements need, directly or indirectly.

    Args:
        requirements: Lines of a requirements.txt, without options.

    Returns:
        Canonical names. A distribution that is not installed here is left out, or its part is
        taken ("mlflow-skinny" for "mlflow").
    """
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name

    found: set[str] = set()
    done: set[tuple[str, str]] = set()
    waiting = [Requirement(text) for text in requirements]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        distribution = _find_distribution(name)
        if distribution is None:
            continue
        found.add(canonicalize_name(distribution.name))
        inner = [Requirement(text) for text in distribution.requires or ()]
        # The empty extra stands for what every installation needs.
        for extra in {"", *wanted.extras} - {extra for known, extra in done if known == name}:
            done.add((name, extra))
            waiting += [r for r in inner if not r.marker or r.marker.evaluate({"extra": extra})]
    return found


def _find_distribution(name: str) -> Distribution | None:
    """Returns an installed distribution or its part; None if there is neither."""
    for each in (name, f"{name}-skinny"):
        try:
            return importlib.metadata.distribution(each)
        except importlib.metadata.PackageNotFoundError:
            continue
    return None


class OnlyThese:
    """Stands before the finders of modules and hides what the allowed distributions lack."""

    def __init__(self, allowed: set[str], finders: list[Any]) -> None:
        from packaging.utils import canonicalize_name

        self._name_of = canonicalize_name
        self._allowed = allowed
        self._finders = finders
        owners = importlib.metadata.packages_distributions()
        self._hidden = {
            package
            for package, names in owners.items()
            if package != PACKAGE and not {canonicalize_name(name) for name in names} & allowed
        }

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Returns where a module is; None if it is hidden or not there."""
        if name.partition(".")[0] in self._hidden:
            return None
        for finder in self._finders:
            spec: ModuleSpec | None = finder.find_spec(name, path, target)
            if spec is not None:
                return spec
        return None

    def find_distributions(
        self, context: DistributionFinder.Context | None = None
    ) -> Iterator[Distribution]:
        """Yields the installed distributions that are allowed."""
        context = context or DistributionFinder.Context()
        for finder in self._finders:
            for found in getattr(finder, "find_distributions", lambda _: ())(context):
                if self._name_of(found.name) in self._allowed:
                    yield found

    def invalidate_caches(self) -> None:
        """Forgets what the finders remember about folders."""
        for finder in self._finders:
            getattr(finder, "invalidate_caches", lambda: None)()


def main(model: str, question: str, context: str) -> None:
    """Prints the answers of a saved model as JSON in the last line.

    Args:
        model: The folder that MLflow has written.
        question: The question to ask.
        context: The text to answer from.
    """
    folder = Path(model).resolve()
    lines = (folder / "requirements.txt").read_text(encoding="utf-8").splitlines()
    allowed = close_over(line for line in lines if line.strip())
    sys.meta_path[:] = [OnlyThese(allowed, list(sys.meta_path))]

    import mlflow

    loaded = mlflow.pyfunc.load_model(str(folder), suppress_warnings=True)
    answers = loaded.predict([{"question": question, "context": context}])
    place = str(sys.modules[PACKAGE].__file__)
    if not Path(place).resolve().is_relative_to(folder):
        raise ImportError(f"{PACKAGE} was loaded from {place} and not from the model")
    sys.stdout.write(json.dumps(answers) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
