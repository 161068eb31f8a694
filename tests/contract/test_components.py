"""Checks that a component is a signature, one import and one call of the step with its name.

The files of components/ are found, not listed. A checker takes a file's text and returns what is
wrong with it; damaged texts show that it sees what it is for.
"""

import ast
import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

import components
from squadron import steps

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(p for p in (ROOT / "components").glob("*.py") if p.stem != "__init__")
Checker = Callable[[str, str], list[str]]


def find_function(text: str) -> ast.FunctionDef:
    (function,) = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    return function


def parameters(function: ast.FunctionDef) -> list[ast.arg]:
    return [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]


def called_keywords(function: ast.FunctionDef) -> tuple[str, set[str]]:
    """Returns what the last statement calls, and the keywords that it gives."""
    (call,) = [node for node in ast.walk(function.body[-1]) if isinstance(node, ast.Call)]
    return ast.unparse(call.func), {str(keyword.arg) for keyword in call.keywords}


def check_module(name: str, text: str) -> list[str]:
    """The module has a docstring, imports of typing and kfp, and one function."""
    problems = []
    module = ast.parse(text)
    if not ast.get_docstring(module):
        problems.append("no module docstring")
    kinds = [type(node).__name__ for node in module.body[1:]]
    if kinds != ["ImportFrom"] * (len(kinds) - 1) + ["FunctionDef"]:
        problems.append(f"the module holds {kinds}")
    for node in module.body:
        if isinstance(node, ast.ImportFrom) and node.module not in ("typing", "kfp"):
            problems.append(f"imports {node.module}")
    functions = [node.name for node in module.body if isinstance(node, ast.FunctionDef)]
    if functions != [name]:
        problems.append(f"defines {functions}, not {name}")
    return problems


def check_decorator(name: str, text: str) -> list[str]:
    """The decorator is kfp.dsl.component with an image to be replaced; it installs nothing."""
    decorators = [ast.unparse(node) for node in find_function(text).decorator_list]
    wanted = "dsl.component(base_image='python:3.11-slim-bookworm', install_kfp_package=False)"
    return [] if decorators == [wanted] else [f"is decorated with {decorators}"]


def check_annotations(name: str, text: str) -> list[str]:
    """kfp understands the annotations on a cluster and locally; see kfp.dsl.types."""
    problems = []
    function = find_function(text)
    for argument in parameters(function):
        if argument.annotation is None:
            problems.append(f"{argument.arg} has no annotation")
            continue
        words = {
            node.id if isinstance(node, ast.Name) else node.attr
            for node in ast.walk(argument.annotation)
            if isinstance(node, ast.Name | ast.Attribute)
        }
        odd = words & {"Optional", "Union", "Literal", "dict", "list", "Any"}
        if odd or isinstance(argument.annotation, ast.BinOp | ast.Constant):
            problems.append(f"{argument.arg} is annotated {ast.unparse(argument.annotation)}")
    if function.args.defaults or function.args.kw_defaults:
        problems.append("has defaults, which belong into squadron.config")
    if function.args.vararg or function.args.kwarg:
        problems.append("takes any arguments")
    return problems


def check_body(name: str, text: str) -> list[str]:
    """The body is a docstring, `from squadron import steps` and one statement with one call."""
    function = find_function(text)
    if not ast.get_docstring(function):
        return ["no docstring"]
    _, *statements = function.body
    if [ast.unparse(node) for node in statements[:1]] != ["from squadron import steps"]:
        return ["does not begin with `from squadron import steps`"]
    if len(statements) != 2:
        return [f"has {len(statements) - 1} statements after the import"]
    calls = [node for node in ast.walk(statements[1]) if isinstance(node, ast.Call)]
    if len(calls) != 1:
        return [f"makes {len(calls)} calls"]
    if not isinstance(statements[1], ast.Expr | ast.AugAssign | ast.Return):
        return [f"does {type(statements[1]).__name__} with its call"]
    return []


def check_call(name: str, text: str) -> list[str]:
    """The step of the same name gets all arguments that it needs, and no others."""
    function = find_function(text)
    called, given = called_keywords(function)
    if called != f"steps.{name}":
        return [f"calls {called}"]
    signature = inspect.signature(getattr(steps, name)).parameters
    required = {n for n, p in signature.items() if p.default is inspect.Parameter.empty}
    problems = [f"gives {key}, which the step does not take" for key in given - set(signature)]
    problems += [f"does not give {key}" for key in required - given]
    used = {node.id for node in ast.walk(function.body[-1]) if isinstance(node, ast.Name)}
    unused = {argument.arg for argument in parameters(function)} - used
    return sorted(problems + [f"{key} is not passed on" for key in unused])


CHECKERS = [check_module, check_decorator, check_annotations, check_body, check_call]


def test_components_are_found() -> None:
    assert len(FILES) >= 8


@pytest.mark.parametrize("check", CHECKERS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_component_has_no_problem(file: Path, check: Checker) -> None:
    assert check(file.stem, file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_kfp_knows_the_component_by_its_files_name(file: Path) -> None:
    component = getattr(components, file.stem)
    assert component.name == file.stem.replace("_", "-")
    container = component.component_spec.implementation.container
    assert "pip install" not in " ".join(container.command)


def test_every_step_is_a_component_and_every_component_a_step() -> None:
    names = {file.stem for file in FILES}
    decorated = {n for n, value in vars(steps).items() if hasattr(value, "__wrapped__")}
    own = {n for n in decorated if vars(steps)[n].__module__.startswith(steps.__name__)}
    assert {name for name in own if not name.startswith("_")} == names
    assert set(components.__all__) == names
    assert {each.name for each in steps.STEPS} == names


# Damaged texts, which show that the checkers see what they are for.

TRAIN = (ROOT / "components" / "train.py").read_text(encoding="utf-8")
IMPORT = "    from squadron import steps\n"
CALL = "    steps.train("
BREAKS: list[tuple[Checker, str, str, str]] = [
    (check_module, '"""Component', '# """Component', "no module docstring"),
    (check_module, "from kfp", "from __future__ import annotations\nfrom kfp", "__future__"),
    (check_module, "from kfp", "from os import path\nfrom kfp", "imports os"),
    (check_module, "@dsl", "LIMIT = 3\n\n@dsl", "'Assign'"),
    (check_module, "def train(", "def training(", "['training'], not train"),
    (check_decorator, "install_kfp_package=False", "install_kfp_package=True", "=True"),
    (check_decorator, "install_kfp_package=False", "packages_to_install=['torch']", "torch"),
    (check_decorator, ", install_kfp_package=False", "", "is decorated with"),
    (check_annotations, "digests: str", "digests: Optional[str]", "annotated Optional[str]"),
    (check_annotations, "digests: str", "digests: str | None", "annotated str | None"),
    (check_annotations, "digests: str", "digests: 'str'", "digests is annotated 'str'"),
    (check_annotations, "digests: str", "digests: dict", "digests is annotated dict"),
    (check_annotations, "digests: str", "digests", "digests has no annotation"),
    (check_annotations, "dsl.Output[dsl.Model]", "dsl.Output[dsl.Model] = None", "defaults"),
    (check_body, IMPORT, f"{IMPORT}    import json\n", "2 statements after"),
    (check_body, IMPORT, "    import squadron\n", "does not begin with"),
    (check_body, CALL, "    print(digests)\n    steps.train(", "2 statements after"),
    (check_body, "windows.path", "str(windows.path)", "makes 2 calls"),
    (check_body, CALL, "    done = steps.train(", "does Assign with its call"),
    (check_call, CALL, "    steps.predict(", "calls steps.predict"),
    (check_call, "digests=digests", "digits=digests", "gives digits, which the step does not"),
    (check_call, "contender=contender", "rice=contender", "does not give contender"),
    (check_call, "digests=digests", "digests=contender", "digests is not passed on"),
]


@pytest.mark.parametrize(("check", "old", "new", "words"), BREAKS)
def test_a_damaged_component_is_seen(check: Checker, old: str, new: str, words: str) -> None:
    assert TRAIN.count(old) >= 1
    problems = check("train", TRAIN.replace(old, new, 1))
    assert words in " ".join(problems)


def test_every_checker_is_shown_to_see_something() -> None:
    assert {check for check, *_ in BREAKS} == set(CHECKERS)
