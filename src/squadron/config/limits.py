"""What a setting may be: limits that stand in the annotation of a field.

`epochs: Annotated[int, at_least(1)] = 2` says that epochs is a whole number from 1 on. A section
checks its limits when it is built, and the reference of settings and the JSON Schema are generated
from the same limits. Limits of several fields together are checked in `__post_init__`.
"""

import functools
import re
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from squadron.errors import InputError


@dataclass(frozen=True)
class Limit:
    """What one field may be."""

    allowed: str
    """The allowed values in words, for messages and docs/settings.md."""
    holds: Callable[[Any], bool]
    """Says whether a value of the field's type is allowed."""
    schema: Mapping[str, Any] = field(default_factory=dict)
    """The same limit as keywords of JSON Schema; empty if they cannot express it."""


def at_least(least: int, allowed: str = "") -> Limit:
    """Returns the limit of numbers from `least` on."""
    return Limit(allowed or f"{least} or more", lambda value: value >= least, {"minimum": least})


def above(bound: int) -> Limit:
    """Returns the limit of numbers above `bound`."""
    return Limit(f"above {bound}", lambda value: value > bound, {"exclusiveMinimum": bound})


def optional(limit: Limit) -> Limit:
    """Returns the limit of a setting that may be empty as well."""
    return Limit(limit.allowed, lambda value: value is None or limit.holds(value), limit.schema)


def one_of(choices: tuple[Any, ...], allowed: str = "") -> Limit:
    """Returns the limit of a few values."""
    words = allowed or f"one of {choices}"
    return Limit(words, lambda value: value in choices, {"enum": list(choices)})


def matches(pattern: str, allowed: str) -> Limit:
    """Returns the limit of texts that a regular expression describes from beginning to end."""
    whole = re.compile(pattern)
    schema = {"pattern": f"^{pattern}$"}
    return Limit(allowed, lambda value: whole.fullmatch(value) is not None, schema)


SHARE = Limit(
    "give a share from 0 to 1", lambda value: 0 <= value <= 1, {"minimum": 0, "maximum": 1}
)
SHARE_BELOW_ONE = Limit(
    "0 to below 1", lambda value: 0 <= value < 1, {"minimum": 0, "exclusiveMaximum": 1}
)
SHARE_OR_COUNT = Limit(
    "give a share from 0 to below 1, or a whole number of titles",
    lambda value: value >= 0 and (value < 1 or float(value).is_integer()),
    {"minimum": 0},
)
PATHS = Limit("an empty path names no file", all, {"minLength": 1})


def require(condition: bool, name: str, value: object, allowed: str) -> None:
    """Refuses one value of a section.

    Args:
        condition: Whether the value is allowed.
        name: The field. Whoever builds the section puts the section's path in front.
        value: The value, for the message.
        allowed: The allowed values in words.

    Raises:
        InputError: If the condition is false.
    """
    if not condition:
        raise InputError(f"{name}: {value!r} is not allowed; {allowed}")


def check_limits(section: Any) -> None:
    """Checks every field of a section against the limits in its annotation.

    Raises:
        InputError: With the first field that has a value outside its limits.
    """
    for name, limits in find_limits(section.__class__).items():
        value = getattr(section, name)
        shown = list(value) if isinstance(value, tuple) else value
        for limit in limits:
            require(limit.holds(value), name, shown, limit.allowed)


@functools.cache
def find_limits(cls: type[Any]) -> dict[str, tuple[Limit, ...]]:
    """Returns the limits of each field of a dataclass, read from its annotations."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {
        name: tuple(each for each in getattr(hint, "__metadata__", ()) if isinstance(each, Limit))
        for name, hint in hints.items()
    }
