"""Checks which package of src/squadron may import which other.

The imports are read from the source, those inside functions included. A process of its own measures
what the first import really loads.
"""

import ast
import functools
import graphlib
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "squadron"

# From bottom to top. A room (a file or a folder of src/squadron) imports rooms before it in this
# list, never one after it. Inside a room no modules import each other in a circle.
ROOMS = (
    "errors",
    "uris",
    "cores",
    "wording",
    "config",
    "progress",
    "storage",
    "artifacts",
    "provenance",
    "requirements",
    "runs_folder",
    "data",
    "documents",
    "answers",
    "models",
    "scores",
    "reader",
    "judging",
    "retrieval",
    "open_domain",
    "reports",
    "tracking",
    "registry",
    "serving",
    "steps",
    "commands",
    "__main__",
)
PLACE = {room: place for place, room in enumerate(("__init__", *ROOMS))}
# Packages of others that only some rooms may import.
ONLY_IN = {
    "kfp": set[str](),
    "matplotlib": {"reports"},
    "mlflow": {"tracking", "registry", "serving"},
    "lancedb": {"retrieval"},
    "torch": {"models", "scores", "reader", "retrieval", "steps"},
    "accelerate": {"models"},
    "fastapi": {"serving"},
    "prometheus_client": {"serving"},
    "uvicorn": {"serving"},
    "peft": {"models"},
}
HEAVY = {"torch", "mlflow", "transformers", "pandas", "kfp"}
# Not every installation has the first two.
HEAVY |= {"fastapi", "lancedb", "prometheus_client", "pypdfium2", "sentencex", "uvicorn"}
COMMANDS = sorted(file.stem for file in (SOURCE / "commands").glob("[!_]*.py"))
LIGHT_MODULES = (
    ", ".join(("squadron.__main__", *(f"squadron.commands.{name}" for name in COMMANDS))),
    "squadron.config",
    "squadron.steps",
    "squadron.models.variants",
    "launch.command_line",
)


def room_of(file: Path) -> str:
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return parts[0]


@functools.cache
def find_imports(text: str) -> tuple[str, ...]:
    """Returns the dotted names of all imports of a text; "." for a relative import."""
    return tuple(read_imports(text))


def read_imports(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield "."
            elif str(node.module).partition(".")[0] == "squadron":
                yield from (f"{node.module}.{name.name}" for name in node.names)
            else:
                yield str(node.module)


def module_of(file: Path) -> str:
    """Returns the dotted name of a file below the package. An `__init__` counts as its folder."""
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and parts[1:] else parts)


def imported_module(name: str) -> str:
    """Returns the module of an imported name; "__init__" for the package itself."""
    parts = name.split(".")[1:]
    while parts:
        place = SOURCE.joinpath(*parts)
        if place.is_dir() or place.with_suffix(".py").exists():
            return ".".join(parts)
        parts.pop()
    return "__init__"


def find_violations(sources: Mapping[Path, str]) -> list[str]:
    """Returns one sentence for each import that goes up, breaks a rule or closes a circle."""
    problems = []
    graph: dict[str, set[str]] = {}
    for file, text in sources.items():
        room, module = room_of(file), module_of(file)
        for name in find_imports(text):
            top = name.partition(".")[0]
            if not top:
                problems.append(f"{room} imports relatively")
            elif top == "squadron":
                other = imported_module(name)
                graph.setdefault(module, set()).add(other)
                if PLACE[other.partition(".")[0]] > PLACE[room]:
                    problems.append(f"{room} imports {other}, which is listed after it")
            elif room not in ONLY_IN.get(top, {room}):
                problems.append(f"{room} imports {top}")
    for module, others in graph.items():
        others.discard(module)
        # `from squadron.data import windows` names the package and the module.
        others -= {package for package in others if module.startswith(f"{package}.")}
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        problems.append(f"a circle: {' <- '.join(error.args[1])}")
    return sorted(set(problems))


def find_closed_doors(sources: Mapping[Path, str]) -> list[str]:
    """Returns one sentence for each imported module that its package does not offer.

    A package offers the names or modules in `__all__` of its `__init__`, also to launch/, to
    components/ and to readers of docs/python.md.
    """
    offered = {
        file.parent.name: set(ast.literal_eval(node.value))
        for file, text in sources.items()
        if file.name == "__init__.py" and file.parent.parent == SOURCE
        for node in ast.parse(text).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    }
    used: dict[str, set[str]] = {room: set() for room in offered}
    problems = []
    outside = [file for name in ("launch", "components") for file in (ROOT / name).glob("*.py")]
    texts = {
        file.stem: file.read_text(encoding="utf-8") for file in [ROOT / "pipeline.py", *outside]
    }
    page = (ROOT / "docs" / "python.md").read_text(encoding="utf-8")
    texts["docs/python.md"] = "\n".join(re.findall(r"```python\n(.*?)```", page, re.DOTALL))
    texts |= {module_of(file): text for file, text in sources.items()}
    for user, text in texts.items():
        for name in find_imports(text):
            top, room, module = [*name.split("."), "", ""][:3]
            if top == "squadron" and module and room != user.partition(".")[0]:
                used.setdefault(room, set()).add(module)
                if (SOURCE / room).is_dir() and module not in offered.get(room, {module}):
                    problems.append(f"{user} imports {room}.{module}: no door of {room}")
    for room, names in offered.items():
        is_of_modules = all((SOURCE / room / f"{name}.py").exists() for name in names)
        unused = names - used[room] if is_of_modules else set()
        problems += [f"{room} offers {name}, which nobody uses" for name in sorted(unused)]
    return sorted(set(problems))


@pytest.fixture(scope="module")
def sources() -> dict[Path, str]:
    return {file: file.read_text(encoding="utf-8") for file in sorted(SOURCE.rglob("*.py"))}


def test_every_room_is_in_the_list_and_the_list_has_no_other(sources: dict[Path, str]) -> None:
    rooms = {room_of(file) for file in sources} - {"__init__"}
    assert len(rooms) > 15
    assert rooms - set(ROOMS) == set(), "say in ROOMS where these belong"
    assert set(ROOMS) - rooms == set(), "ROOMS names what is not there"


def test_every_file_says_what_it_owns(sources: dict[Path, str]) -> None:
    silent = [str(file) for file, text in sources.items() if not ast.get_docstring(ast.parse(text))]
    assert silent == []


def test_imports_go_down_only(sources: dict[Path, str]) -> None:
    assert find_violations(sources) == []


WRONG = {
    ("config", "from squadron import steps"): "config imports steps, which is listed after it",
    ("data.windows", "import squadron.models.training"): "data imports models.training, which",
    ("artifacts", "def f():\n    from squadron.data import windows"): "which is listed after it",
    ("data.sources", "from squadron.models.variants.span import build"): "which is listed after it",
    ("models.batches", "from squadron.models.prediction import TopSpans"): "a circle: ",
    ("errors", "from . import config"): "errors imports relatively",
    ("steps", "import kfp"): "steps imports kfp",
    ("__main__", "from kfp import dsl"): "__main__ imports kfp",
    ("models.training", "def f():\n    import mlflow"): "models imports mlflow",
    ("data.windows", "import torch.nn"): "data imports torch",
}


@pytest.mark.parametrize(("place", "problem"), WRONG.items())
def test_a_wrong_import_is_seen(
    sources: dict[Path, str], place: tuple[str, str], problem: str
) -> None:
    assert problem in " ".join(find_violations(add_line(sources, *place)))


def add_line(sources: dict[Path, str], module: str, line: str) -> dict[Path, str]:
    (file,) = (file for file in sources if module_of(file) == module)
    return {**sources, file: f"{sources[file]}\n{line}\n"}


def test_a_room_is_entered_by_its_door(sources: dict[Path, str]) -> None:
    assert find_closed_doors(sources) == []


@pytest.mark.parametrize(
    ("module", "line", "problem"),
    [
        ("steps.train", "from squadron.storage.s3 import S3", "storage.s3: no door of storage"),
        ("scores", "__all__ = ['significance']", "scores offers significance, which nobody uses"),
    ],
)
def test_a_closed_door_is_seen(
    sources: dict[Path, str], module: str, line: str, problem: str
) -> None:
    assert problem in " ".join(find_closed_doors(add_line(sources, module, line)))


def loaded_by(module: str) -> set[str]:
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize("module", LIGHT_MODULES)
def test_what_every_command_imports_is_light(module: str) -> None:
    assert len(COMMANDS) > 3
    assert HEAVY & loaded_by(module) == set()


def test_a_heavy_import_is_seen() -> None:
    assert "kfp" in HEAVY & loaded_by("launch.cluster, kfp.dsl")
