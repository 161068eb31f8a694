"""docs/settings.md and experiments/schema.json say what the code says, and fit the experiments."""

import dataclasses
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from squadron.config import build_experiment
from squadron.config.experiment import Experiment
from squadron.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(
    path for name in ("experiments", "examples") for path in (ROOT / name).glob("*.y*ml")
)
SMALLEST = {"data": {"train": "a.json"}, "contenders": ["span"]}


def load_generator() -> Any:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look up their module by its name
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def generate() -> Any:
    return load_generator()


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = json.loads((ROOT / "experiments" / "schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    return jsonschema.Draft7Validator(schema)


def loads(raw: dict[str, Any]) -> bool:
    """Whether the loader takes a file's values without its profiles."""
    plain = {key: value for key, value in raw.items() if key != "profiles"}
    try:
        build_experiment({"name": "x", **plain})
    except InputError:
        return False
    return True


def test_the_reference_is_current(generate: Any) -> None:
    written = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    assert written == generate.write_reference(), "run `make docs`"


def test_the_schema_is_current(generate: Any) -> None:
    written = (ROOT / "experiments" / "schema.json").read_text(encoding="utf-8")
    assert written == generate.write_schema(), "run `make docs`"


def test_every_setting_of_an_experiment_is_described(generate: Any) -> None:
    sections = [Experiment, *generate.find_sections().values()]
    assert len(sections) > 8
    for section in sections:
        described = generate.read_descriptions(section)
        assert {field.name for field in dataclasses.fields(section)} == set(described), section


def test_experiments_are_found() -> None:
    assert ROOT / "experiments" / "example.yaml" in FILES


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_experiment_fits_the_schema_that_it_names(path: Path, validator: Any) -> None:
    text = path.read_text(encoding="utf-8")
    first = text.partition("\n")[0]
    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == ROOT / "experiments" / "schema.json"
    validator.validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    "more",
    [
        {"contenders": [{"variant": "lora", "options": {"rank": 8, "targets": "query"}}, "crf"]},
        {"contenders": [{"variant": "span", "seeds": [1, 2], "train": {"epochs": 1}}]},
        {"contenders": [{"variant": "span", "label": "a", "trained_on": {"titles": ["b"]}}]},
        {"train": {"learning_rate": "2e-4", "weight_decay": 0}, "windows": None},
        {"trained_on": "nothing", "backbone": "scratch"},
        {"data": {"train": ["a", "b"], "test": "c", "splits": {"tune": 4, "select": 0.1}}},
        {"resources": {"node_selector": {"disk": "ssd"}, "tolerations": []}},
        {"name": "mine", "results": "s3://bucket/results", "attempt": "2"},
        {"register": {"gates": {"max_ece": None, "max_megabytes": "1e2", "licences": "MIT"}}},
        {"profiles": {"cpu": {"train": {"epochs": 1}, "contenders": ["span"]}, "none": None}},
    ],
    ids=str,
)
def test_what_a_file_may_hold_fits_the_schema_and_loads(more: Any, validator: Any) -> None:
    raw = SMALLEST | more
    validator.validate(raw)
    assert loads(raw)


WRONG = [
    {"trains": {}},
    {"train": {"epoch": 1}},
    {"train": {"epochs": 0}},
    {"train": {"epochs": "2"}},
    {"train": {"learning_rate": "fast"}},
    {"train": {"precision": "fp16"}},
    {"train": [1]},
    {"data": {"train": "a", "splits": {"dev": 1}}},
    {"data": {"train": "a", "split_by": "answer"}},
    {"resources": {"gpu_count": 2}},
    {"trained_on": "everything"},
    {"register": {"gates": {"max_ece": 2}}},
    {"register": {"gates": {"max_megabytes": 0}}},
    {"register": {"gates": {"licences": [""]}}},
    {"contenders": []},
    {"contenders": [{"label": "a"}]},
    {"contenders": [{"varient": "span"}]},
    {"contenders": [{"variant": "span", "seeds": []}]},
    {"contenders": [{"variant": "span", "label": "a/b"}]},
]


@pytest.mark.parametrize("more", WRONG, ids=str)
def test_what_the_loader_refuses_does_not_fit_the_schema(more: Any, validator: Any) -> None:
    raw = SMALLEST | more
    assert not loads(raw)
    assert not validator.is_valid(raw)


@pytest.mark.parametrize(
    "more",
    [
        {"contenders": ["spam"]},
        {"contenders": [{"variant": "spam"}]},
        {"contenders": [{"variant": "lora", "options": {"ranks": 8}}]},
        {"contenders": [{"variant": "span", "options": {"rank": 8}}]},
        {"data": {"train": "a", "source": "squid"}},
        {"profiles": {"cpu": {"train": {"epoch": 1}}}},
        {"profiles": {"cpu": {"profiles": {}}}},
    ],
    ids=str,
)
def test_names_that_later_checks_refuse_do_not_fit_the_schema(more: Any, validator: Any) -> None:
    assert validator.is_valid(SMALLEST)
    assert not validator.is_valid(SMALLEST | more)
