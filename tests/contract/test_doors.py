"""Which room of src/squadron may import which: downwards only.

Read from the source, function-level imports included; what a first import really loads is measured
in a process of its own.
"""

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "squadron"

# From top to bottom. A room (a file or a folder) imports rooms below it or beside it, never above,
# and never in a circle.
LAYERS = (
    ("__main__", "commands"),
    ("steps",),
    (
        "elections",
        "kfp_runs",
        "models",
        "races",
        "registration",
        "registry",
        "reuse",
        "run_writes",
        "serving",
        "tracking",
    ),
    (
        "batches",
        "linear_chain_crf",
        "checkpoints",
        "cpu_layers",
        "devices",
        "judging",
        "model_folder",
        "bertscore",
        "prediction",
        "reader",
        "training",
        "variants",
    ),
    (
        "answering",
        "answers",
        "backbones",
        "breakdown",
        "calibration",
        "error_kinds",
        "evaluation",
        "example_table",
        "layout",
        "leakage",
        "metrics",
        "model_card",
        "notes",
        "report",
        "significance",
        "standings",
        "scoring",
        "scratch",
        "sources",
        "split",
        "squad_metric",
        "trained_on",
        "validation",
        "verdict",
        "window_table",
        "windows",
    ),
    (
        "artifacts",
        "cleanup",
        "contamination",
        "config",
        "cores",
        "kept",
        "markdown",
        "parsing",
        "folding",
        "hub",
        "model_names",
        "outbox",
        "plots",
        "progress",
        "provenance",
        "question_types",
        "race_table",
        "race_use",
        "requirements",
        "runs_lock",
        "schema_lock",
        "storage",
    ),
    ("errors", "uris", "__init__"),
)
DEPTH = {room: depth for depth, layer in enumerate(LAYERS) for room in layer}
# Packages that only some layers may know, by their depth.
ONLY_IN = {
    "kfp": set[int](),
    "matplotlib": {2},
    "mlflow": {2},
    "torch": {1, 3},
    "accelerate": {3},
    "peft": {3},
}
HEAVY = {"torch", "mlflow", "transformers", "pandas", "kfp"}
COMMANDS = sorted(file.stem for file in (SOURCE / "commands").glob("[!_]*.py"))
LIGHT_MODULES = (
    ", ".join(("squadron.__main__", *(f"squadron.commands.{name}" for name in COMMANDS))),
    "squadron.config",
    "squadron.steps",
    "squadron.variants",
    "launch.command_line",
)


def room_of(file: Path) -> str:
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return parts[0]


def find_imports(text: str) -> Iterator[str]:
    """Dotted names of all that a text imports, wherever it does; "." for a relative import."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield "."
            elif node.module == "squadron":
                yield from (f"squadron.{name.name}" for name in node.names)
            else:
                yield str(node.module)


def imported_room(name: str) -> str:
    """The room behind `squadron...`; "__init__" for the package itself or a name of its own."""
    second = [*name.split("."), "__init__"][1]
    return (
        second if (SOURCE / f"{second}.py").exists() or (SOURCE / second).is_dir() else "__init__"
    )


def find_violations(sources: Mapping[Path, str]) -> list[str]:
    """One sentence per import that goes up, leaves the rules, or closes a circle."""
    problems = []
    graph: dict[str, set[str]] = {}
    for file, text in sources.items():
        room = room_of(file)
        for name in find_imports(text):
            top = name.partition(".")[0]
            if not top:
                problems.append(f"{room} imports relatively")
            elif top == "squadron":
                other = imported_room(name)
                if other != room:
                    graph.setdefault(room, set()).add(other)
                    if DEPTH[other] < DEPTH[room]:
                        problems.append(f"{room} imports {other}, which is above it")
            elif DEPTH[room] not in ONLY_IN.get(top, {DEPTH[room]}):
                problems.append(f"{room} imports {top}")
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        problems.append(f"a circle: {' <- '.join(error.args[1])}")
    return sorted(set(problems))


@pytest.fixture(scope="module")
def sources() -> dict[Path, str]:
    return {file: file.read_text(encoding="utf-8") for file in sorted(SOURCE.rglob("*.py"))}


def test_every_room_is_in_the_table_and_the_table_has_no_other(sources: dict[Path, str]) -> None:
    rooms = {room_of(file) for file in sources}
    assert len(rooms) > 20
    assert rooms - set(DEPTH) == set(), "say in LAYERS where these belong"
    assert set(DEPTH) - rooms == set(), "LAYERS names what is not there"
    assert sum(map(len, LAYERS)) == len(DEPTH), "a room stands twice in LAYERS"


def test_every_file_says_what_it_owns(sources: dict[Path, str]) -> None:
    silent = [str(file) for file, text in sources.items() if not ast.get_docstring(ast.parse(text))]
    assert silent == []


def test_imports_go_down_only(sources: dict[Path, str]) -> None:
    assert find_violations(sources) == []


@pytest.mark.parametrize(
    ("room", "line", "problem"),
    [
        ("config", "from squadron import steps", "config imports steps, which is above it"),
        ("windows", "import squadron.training", "windows imports training, which is above it"),
        ("artifacts", "def f():\n    from squadron.windows import slide", "which is above it"),
        ("sources", "from squadron.variants.span import build", "which is above it"),
        ("batches", "from squadron.prediction import TopSpans", "a circle: "),
        ("errors", "from . import config", "errors imports relatively"),
        ("steps", "import kfp", "steps imports kfp"),
        ("__main__", "from kfp import dsl", "__main__ imports kfp"),
        ("training", "def f():\n    import mlflow", "training imports mlflow"),
        ("windows", "import torch.nn", "windows imports torch"),
    ],
)
def test_a_wrong_import_is_seen(
    sources: dict[Path, str], room: str, line: str, problem: str
) -> None:
    file = next(file for file in sources if room_of(file) == room)
    assert problem in " ".join(find_violations({**sources, file: f"{sources[file]}\n{line}\n"}))


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
