"""Applies overrides (`--set section.key=value`) to the plain values of an experiment file."""

from typing import Any

from squadron.config.parsing import parse_yaml
from squadron.config.wording import name_kind
from squadron.errors import InputError


def apply_override(raw: dict[str, Any], override: str) -> None:
    """Sets one value in place.

    Args:
        raw: The plain values of an experiment file.
        override: A text such as "train.epochs=3" or "contenders.1.label=first". The value is YAML;
            items of a list are named by their number, from 1.

    Raises:
        InputError: If the text has another form, or names a place that cannot be.
    """
    path, value = _split_override(override)
    *parents, last = path.split(".")
    here: Any = raw
    for parent in parents:
        here = _enter(here, parent, override)
    if not isinstance(here, dict):
        raise InputError(
            f"The override {override!r} leads nowhere: its parent is {name_kind(here)}"
        )
    here[last] = value


def _split_override(override: str) -> tuple[str, Any]:
    """Returns the path and the value of an override."""
    import yaml

    path, equals, text = override.partition("=")
    if not equals or not path:
        raise InputError(f"The override {override!r} is not of the form section.key=value")
    problem = f"The override {override!r} has a value that is not valid YAML"
    try:
        return path, parse_yaml(text)
    except yaml.YAMLError:
        raise InputError(problem) from None
    except ValueError as error:
        raise InputError(f"{problem}: {error}") from None


def _enter(here: Any, name: str, override: str) -> Any:
    """Returns the section or list item of that name.

    A missing section is made, and a contender that is only a variant's name becomes a mapping.
    """
    if isinstance(here, list) and name.isdigit() and 1 <= int(name) <= len(here):
        place = int(name) - 1
        if isinstance(here[place], str):
            here[place] = {"variant": here[place]}
        return here[place]
    if isinstance(here, dict):
        if here.get(name) is None:
            here[name] = {}
        return here[name]
    raise InputError(f"The override {override!r} leads nowhere: {name!r} is no section")
