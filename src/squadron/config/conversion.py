"""Builds dataclasses from the plain values of YAML and JSON.

Conversion is strict: an unknown name, a wrong type or an impossible value is refused with its path
in the file.
"""

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from squadron.config.contenders import Contender, TrainedOn
from squadron.config.suggestions import describe_unknown
from squadron.config.values import convert_value, require_list, require_mapping
from squadron.config.wording import join_path
from squadron.errors import InputError

T = TypeVar("T")


def from_mapping(cls: type[T], raw: Mapping[str, object], path: str = "") -> T:
    """Builds a dataclass from a mapping.

    Args:
        cls: A section, or the options of a variant.
        raw: Plain values as YAML or JSON give them.
        path: Where the mapping stands, such as "contenders -> 1 -> train"; for messages.

    Raises:
        InputError: On an unknown key, a wrong type or an impossible value.
    """
    if not isinstance(raw, Mapping):
        raise InputError(f"{path or cls.__name__}: {raw!r} is not allowed; a mapping is needed")
    fields = {field.name: field for field in dataclasses.fields(typing.cast(Any, cls))}
    hints = typing.get_type_hints(cls)
    values = {}
    for key, value in raw.items():
        if key not in fields:
            listed = [*fields, "seeds"] if cls is Contender else [*fields]
            raise InputError(describe_unknown(path, str(key), listed, value))
        values[key] = convert(hints[key], value, join_path(path, key))
    _require_all(fields.values(), values, path)
    try:
        return cls(**values)
    except InputError as error:
        raise InputError(join_path(path, str(error))) from None


def convert(hint: Any, value: Any, path: str) -> Any:
    """Returns a value as its type needs it: a section, a list of sections, or a single value.

    Args:
        hint: A dataclass, `tuple[X, ...]` or `dict[str, X]` of a dataclass, `X | None` of these,
            or what `convert_value` takes.
        value: As YAML or JSON gives it.
        path: Where the value stands, for messages.

    Raises:
        InputError: As `from_mapping`.
    """
    if typing.get_origin(hint) is types.UnionType:
        needed, _ = typing.get_args(hint)  # X and None
        return None if value is None else convert(needed, value, path)
    if dataclasses.is_dataclass(hint):
        return from_mapping(typing.cast(type[Any], hint), _spell_out(hint, value), path)
    item = (typing.get_args(hint) or (None,))[-1 if typing.get_origin(hint) is dict else 0]
    if not dataclasses.is_dataclass(item):
        return convert_value(hint, value, path)
    if typing.get_origin(hint) is dict:
        return {
            key: convert(item, entry, join_path(path, key))
            for key, entry in require_mapping(value, path).items()
        }
    return tuple(
        convert(item, entry, f"{path} -> {number}")
        for number, entry in enumerate(require_list(value, path), start=1)
    )


def _require_all(
    fields: Iterable["dataclasses.Field[Any]"], values: Mapping[str, Any], path: str
) -> None:
    """Refuses a mapping without a setting that has no default."""
    for field in fields:
        no_default = (
            field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        )
        if no_default and field.name not in values:
            raise InputError(f"{join_path(path, field.name)} is missing; it has no default")


def _spell_out(section: Any, value: Any) -> Any:
    """Returns the mapping that a short form of a section stands for; other values as they are."""
    if value is None:  # YAML reads a section whose lines are all commented out as nothing.
        return {}
    if section is TrainedOn and value == "nothing":
        return {"nothing": True}
    return value
