"""What passes from package to package has a type that says what it holds: no dict[str, Any]."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "squadron"
UNTYPED = "[str, Any]"
# Public within their package alone, or given by the library that calls them.
INSIDE = {
    "config/limits.py": "parts of a JSON Schema",
    "config/overrides.py": "a YAML file before it is converted",
    "config/resolution.py": "a YAML file before it is converted",
    "config/values.py": "a YAML file before it is converted",
    "data/example_table.py": "a row for pyarrow",
    "documents/passage_table.py": "a row of LanceDB or pyarrow",
    "models/checkpoints.py": "the state that torch saves and loads",
    "models/optimizer.py": "the state that torch saves and loads",
    "serving/pyfunc.py": "MLflow reads this signature",
}


def find_untyped(body: list[ast.stmt], prefix: str = "") -> Iterator[str]:
    """Yields the public functions and fields that take or give a mapping of anything."""
    for node in body:
        if isinstance(node, ast.ClassDef) and is_public(node.name):
            yield from find_untyped(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef) and is_public(node.name):
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            if any(map(is_untyped, (*(each.annotation for each in given), node.returns))):
                yield prefix + node.name
        elif isinstance(node, ast.AnnAssign) and is_untyped(node.annotation):
            name = ast.unparse(node.target)
            if is_public(name):
                yield prefix + name


def is_public(name: str) -> bool:
    return not name.startswith("_") or name == "__init__"


def is_untyped(annotation: ast.expr | None) -> bool:
    return annotation is not None and UNTYPED in ast.unparse(annotation)


def modules() -> list[str]:
    files = (file.relative_to(SOURCE) for file in SOURCE.rglob("*.py"))
    public = [file for file in files if is_public(file.stem) or file.stem == "__init__"]
    return sorted(str(file) for file in public)


@pytest.mark.parametrize("module", modules())
def test_no_public_signature_has_a_mapping_of_anything(module):
    found = list(find_untyped(ast.parse((SOURCE / module).read_text(encoding="utf-8")).body))
    if module in INSIDE:
        assert found, f"{module} needs no exception any more"
    else:
        assert found == []


def test_the_check_finds_arguments_results_and_fields():
    text = """
class A:
    a: dict[str, Any]
    b: dict[str, int]
    def c(self, d: Mapping[str, Any]) -> None: ...
    def _e(self, f: Mapping[str, Any]) -> None: ...
def g(*, h: list[dict[str, Any]]) -> None: ...
def i() -> dict[str, Any] | None: ...
"""
    assert list(find_untyped(ast.parse(text).body)) == ["A.a", "A.c", "g", "i"]
