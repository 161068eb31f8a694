"""Writes docs/settings.md and experiments/schema.json from the dataclasses of an experiment.

`make docs` runs this file. Names, types, defaults and limits come from the dataclasses, and
descriptions from the docstrings below their fields. What a file may hold that is no field
(`profiles`, `seeds`, short forms) is described here.
"""

import ast
import dataclasses
import inspect
import itertools
import json
import re
import textwrap
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from squadron.config import Contender, Experiment
from squadron.config.experiment import SHARED
from squadron.config.limits import Limit, find_limits
from squadron.data.sources import AUTO, list_sources
from squadron.models.variants import list_variants, load_variant

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = ROOT / "docs" / "settings.md"
SCHEMA = ROOT / "experiments" / "schema.json"

INTRO = """\
# Settings of an experiment

<!-- Written by `make docs` from src/squadron/config and src/squadron/models/variants. -->

An experiment is a YAML file with the settings below; every setting that it leaves out has its
default. The table of the whole file comes first, then one table per section, then the options of
each variant. `pipeline.py run FILE --set train.epochs=3` changes one setting for one run, and
`--set contenders.1.label=first` changes one of the first contender. An unknown name or an
impossible value is refused before anything runs.

Editors with support for YAML complete and check the settings of a file whose first line names the
schema, as in the files of `experiments/`: `# yaml-language-server: $schema=schema.json`.
"""
SHARED_INTRO = f"""\
{", ".join(f"`{name}`" for name in SHARED[:-1])} and `{SHARED[-1]}` are defaults for every
contender. A contender may differ in any of them. One with a `backbone` of its own does not take
`trained_on` from here.
"""
PROFILES = (
    "Named groups of settings. `--profile NAME` merges one of them over the file. A list such as "
    "`contenders` replaces the file's list."
)
SEEDS = (
    "Makes one contender for each of these seeds. Each trains with its seed as `train.seed`, is "
    "called LABEL-seedN and has the label as its `group`."
)
NUMBER = r"^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?$"
"""A number as text. YAML 1.1 reads 2e-4 as text, and the loader accepts it."""
TYPES: dict[Any, tuple[str, dict[str, Any]]] = {
    str: ("text", {"type": "string"}),
    bool: ("true or false", {"type": "boolean"}),
    int: ("whole number", {"type": "integer"}),
    float: ("number", {"type": ["number", "string"], "pattern": NUMBER}),
    float | None: (
        "number, or empty",
        {"type": ["number", "string", "null"], "pattern": NUMBER},
    ),
    tuple[str, ...]: (
        "list of texts, or one text",
        {"type": ["array", "string"], "items": {"type": "string"}},
    ),
    dict[str, str]: (
        "mapping of texts",
        {"type": ["object", "null"], "additionalProperties": {"type": "string"}},
    ),
    dict[str, object]: ("mapping", {"type": ["object", "null"]}),
}
"""Type of a field -> its name in docs/settings.md, its JSON Schema."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """One field of a section."""

    name: str
    hint: Any
    default: Any
    """`dataclasses.MISSING` if there is none."""
    limits: tuple[Limit, ...]
    description: str


def list_settings(section: type[Any]) -> list[Setting]:
    """Returns the fields of a dataclass in their order."""
    hints, limits = typing.get_type_hints(section), find_limits(section)
    descriptions = read_descriptions(section)
    return [
        Setting(
            field.name,
            hints[field.name],
            field.default
            if field.default_factory is dataclasses.MISSING
            else field.default_factory(),
            limits[field.name],
            descriptions.get(field.name, ""),
        )
        for field in dataclasses.fields(section)
    ]


def read_descriptions(section: type[Any]) -> dict[str, str]:
    """Returns the docstring below each field of a dataclass and its bases, on one line."""
    found: dict[str, str] = {}
    for base in reversed(section.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        body = typing.cast(ast.ClassDef, tree).body
        for field, below in itertools.pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
                found[ast.unparse(field.target)] = " ".join(ast.literal_eval(below.value).split())
    return found


def find_sections(section: type[Any] = Experiment, path: str = "") -> dict[str, type[Any]]:
    """Returns every section below one, by its place in the file: "data.splits" -> Splits."""
    found: dict[str, type[Any]] = {}
    for setting in list_settings(section):
        of_items = [part for part in typing.get_args(setting.hint) if part is Contender]
        inner = of_items[0] if of_items else setting.hint
        if dataclasses.is_dataclass(inner):
            place = f"{path}{setting.name}"
            found[place] = typing.cast(type[Any], inner)
            # What a contender holds may stand at the top of the file as well.
            found |= find_sections(found[place], "" if of_items else f"{place}.")
    return found


def find_options() -> dict[str, type[Any]]:
    """Returns the options dataclass of each variant."""
    return {name: load_variant(name).Options for name in list_variants()}


def list_top() -> list[Setting]:
    """Returns the settings at the top of a file: an experiment's, and the contenders' defaults."""
    shared = [setting for setting in list_settings(Contender) if setting.name in SHARED]
    return [*list_settings(Experiment), *shared]


def write_reference() -> str:
    """Returns the text of docs/settings.md."""
    top = [*map(_write_row, list_top()), _write_cells("profiles", "mapping", "none", "", PROFILES)]
    parts = [INTRO, "## The whole file\n", SHARED_INTRO, _write_table(top)]
    for place, section in find_sections().items():
        rows = [_write_row(setting) for setting in list_settings(section)]
        if section is Contender:
            rows.append(_write_cells("seeds", "list of whole numbers", "none", "0 or more", SEEDS))
        intro = _link(inspect.getdoc(section) or "")
        parts += [f"## `{place}`\n", f"{intro}\n", _write_table(rows)]
    parts.append("## Options of the variants\n")
    parts.append("A contender's `options` may hold the settings of its variant, and no others.\n")
    for name, options in find_options().items():
        rows = [_write_row(setting) for setting in list_settings(options)]
        intro = (load_variant(name).__doc__ or "").partition("\n")[0]
        parts += [f"### `{name}`\n", f"{intro}\n", _write_table(rows)]
    return "\n".join(parts)


def _write_table(rows: Iterable[str]) -> str:
    head = "| setting | type | default | allowed | what it does |\n|---|---|---|---|---|\n"
    return head + "".join(rows)


def _write_row(setting: Setting) -> str:
    default = _write_default(setting)
    allowed = "; ".join(_write_limit(limit) for limit in setting.limits)
    return _write_cells(
        setting.name, _name_type(setting.hint), default, allowed, setting.description
    )


def _write_cells(name: str, kind: str, default: str, allowed: str, description: str) -> str:
    cells = (f"`{name}`", kind, default, allowed, _link(description))
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


def _name_type(hint: Any) -> str:
    if dataclasses.is_dataclass(hint):
        return "section"
    return TYPES[hint][0] if hint in TYPES else "list of contenders"


def _write_default(setting: Setting) -> str:
    default = setting.default
    if setting.name == "name":
        return "the file's name"
    if default is dataclasses.MISSING or _is_refused(setting):
        return "required"
    if dataclasses.is_dataclass(default):
        return "see below"
    return f"`{json.dumps(default)}`" if default or default in (0, False) else "empty"


def _is_refused(setting: Setting) -> bool:
    """Says whether a list has to be given, because its default is an empty one that is refused."""
    return setting.default == () and not all(limit.holds(()) for limit in setting.limits)


def _write_limit(limit: Limit) -> str:
    choices = limit.schema.get("enum", ())
    if choices and all(isinstance(choice, str) for choice in choices):
        return ", ".join(f"`{choice}`" for choice in choices)
    return re.sub("^(give|name) ", "", limit.allowed)


def _link(text: str) -> str:
    """Returns a text in which pages of docs/ are links."""
    return re.sub(r"docs/(decisions/[\w-]+\.md)", r"[\1](\1)", text)


def write_schema() -> str:
    """Returns the text of experiments/schema.json, in draft 7, which editors know."""
    definitions = {
        section.__name__: _describe_section(section) for section in find_sections().values()
    }
    definitions["TrainedOn"] = {"anyOf": [{"const": "nothing"}, definitions["TrainedOn"]]}
    definitions["Contender"] = _describe_contender()
    for name, options in find_options().items():
        definitions[f"options-{name}"] = _describe_section(options)
    settings = {setting.name: _describe_setting(setting) for setting in list_top()}
    profile = {
        "type": ["object", "null"],
        "properties": settings,
        "additionalProperties": False,
    }
    profiles = {
        "type": ["object", "null"],
        "description": PROFILES,
        "additionalProperties": {"$ref": "#/definitions/profile"},
    }
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "An experiment of Squadron",
        "$comment": "Written by `make docs`.",
        "type": "object",
        "required": ["data", "contenders"],
        "properties": {**settings, "profiles": profiles},
        "additionalProperties": False,
        "definitions": {**definitions, "profile": profile},
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _describe_section(section: type[Any]) -> dict[str, Any]:
    return {
        "type": ["object", "null"],
        "description": " ".join((inspect.getdoc(section) or "").split()),
        "properties": {
            setting.name: _describe_setting(setting) for setting in list_settings(section)
        },
        "additionalProperties": False,
    }


def _describe_setting(setting: Setting) -> dict[str, Any]:
    if dataclasses.is_dataclass(setting.hint):
        return {"$ref": f"#/definitions/{setting.hint.__name__}"}
    items = {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/Contender"}}
    schema = dict(TYPES[setting.hint][1]) if setting.hint in TYPES else items
    for limit in setting.limits:
        schema |= limit.schema
    if setting.name in ("variant", "source"):
        schema["enum"] = list_variants() if setting.name == "variant" else [AUTO, *list_sources()]
    if setting.default is not dataclasses.MISSING and not _is_refused(setting):
        schema["default"] = setting.default
    return {"description": setting.description, **schema}


def _describe_contender() -> dict[str, Any]:
    """Returns what an entry of `contenders` may be: a variant's name, or a mapping.

    Which options a mapping may hold depends on its variant.
    """
    mapping = _describe_section(Contender)
    seeds = {"type": "array", "minItems": 1, "uniqueItems": True}
    seeds |= {"description": SEEDS, "items": {"type": "integer", "minimum": 0}}
    mapping["properties"]["seeds"] = seeds
    options = [
        {
            "if": {"properties": {"variant": {"const": name}}},
            "then": {"properties": {"options": {"$ref": f"#/definitions/options-{name}"}}},
        }
        for name in list_variants()
    ]
    mapping |= {"type": "object", "required": ["variant"], "allOf": options}
    return {"anyOf": [{"type": "string", "enum": list_variants()}, mapping]}


if __name__ == "__main__":
    SETTINGS.write_text(write_reference(), encoding="utf-8")
    SCHEMA.write_text(write_schema(), encoding="utf-8")
