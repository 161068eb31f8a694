"""Checks single values of YAML and JSON against the types of settings.

Knows texts, numbers, lists and mappings. `conversion` knows sections.
"""

import math
import types
import typing
from typing import Any

from squadron.config.wording import join_path, name_kind
from squadron.errors import InputError

NEEDED = {str: "text", bool: "true or false"}
SEVERAL_SEEDS = "; for several, list `seeds` in a contender, such as {variant: span, seeds: [1, 2]}"


def convert_value(hint: Any, value: Any, path: str) -> Any:
    """Returns a value as its type needs it.

    A whole number may stand for a number, and one text for a list of texts. Nothing else is
    converted.

    Args:
        hint: One of str, bool, int, float, object, `tuple[X, ...]`, `dict[str, X]` and `X | None`.
        value: As YAML or JSON gives it.
        path: Where the value stands, for messages.

    Raises:
        InputError: If the value has another type.
    """
    origin = typing.get_origin(hint)
    if origin is types.UnionType:
        needed, _ = typing.get_args(hint)  # X and None
        return None if value is None else convert_value(needed, value, path)
    if origin is tuple:
        return _convert_list(typing.get_args(hint)[0], value, path)
    if origin is dict:
        return _convert_mapping(typing.get_args(hint)[1], value, path)
    if hint is float:
        return _convert_number(value, path)
    if hint is int:
        return _convert_whole_number(value, path)
    if not isinstance(value, hint):
        raise _refuse_kind(value, path, NEEDED[hint])
    return value


def require_list(value: Any, path: str) -> list[Any]:
    """Returns the entries of a list.

    Raises:
        InputError: If the value is no list.
    """
    if not isinstance(value, list | tuple):
        raise _refuse_kind(value, path, "a list")
    return list(value)


def require_mapping(value: Any, path: str) -> dict[str, Any]:
    """Returns the entries of a mapping, whose keys become texts.

    Raises:
        InputError: If the value is no mapping.
    """
    if not isinstance(value, dict):
        raise _refuse_kind(value, path, "a mapping")
    return {str(key): entry for key, entry in value.items()}


def _convert_list(item: Any, value: Any, path: str) -> tuple[Any, ...]:
    if isinstance(value, str) and item is str:
        value = [value]
    entries = require_list(value, path)
    return tuple(
        convert_value(item, entry, f"{path} -> {number}") for number, entry in enumerate(entries, 1)
    )


def _convert_mapping(item: Any, value: Any, path: str) -> dict[str, Any]:
    if value is None:  # YAML reads a mapping whose lines are all commented out as nothing.
        return {}
    return {
        key: convert_value(item, entry, join_path(path, key))
        for key, entry in require_mapping(value, path).items()
    }


def _convert_number(value: Any, path: str) -> float:
    # YAML 1.1 reads "2e-4" as text, but everyone means a number.
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise _refuse_kind(value, path, "a number")
    try:
        number = float(value)
    except ValueError:
        raise _refuse_kind(value, path, "a number") from None
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InputError(f"{path}: {value!r} is not allowed; a finite number is needed")
    return number + 0.0  # -0.0 becomes 0.0, so that equal settings have equal text.


def _convert_whole_number(value: Any, path: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        more = _hint_at_seeds(path) if isinstance(value, list) else ""
        raise _refuse_kind(value, path, "a whole number", more)
    if not -(2**63) <= value < 2**63:
        raise InputError(f"{path}: {value!r} is not allowed; a number of 64 bits is needed")
    return value


def _hint_at_seeds(path: str) -> str:
    """Says where several seeds belong, for a list in the place of one."""
    if path == "data -> seed":
        return "; for several, run one experiment for each"
    return SEVERAL_SEEDS if path.endswith("train -> seed") else ""


def _refuse_kind(value: object, path: str, needed: str, more: str = "") -> InputError:
    return InputError(f"{path}: {value!r} is {name_kind(value)}; {needed} is needed{more}")
