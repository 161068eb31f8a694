"""Applies `section.key=value` to the plain values of an experiment file."""

from typing import Any

from squadron.config.parsing import parse_yaml
from squadron.config.wording import name_kind
from squadron.errors import InputError


def apply_override(raw: dict[str, Any], override: str) -> None:
    """Sets `a.b.c=value` in place; list items are reached by their number, from 1."""
    import yaml

    path, equals, text = override.partition("=")
    if not equals or not path:
        raise InputError(f"The override {override!r} is not of the form section.key=value")
    try:
        value = parse_yaml(text)
    except yaml.YAMLError:
        raise InputError(f"The override {override!r} has a value that is not valid YAML") from None
    except ValueError as error:
        raise InputError(
            f"The override {override!r} has a value that is not valid YAML: {error}"
        ) from None
    *parents, last = path.split(".")
    here: Any = raw
    for parent in parents:
        if isinstance(here, list) and parent.isdigit() and 1 <= int(parent) <= len(here):
            if isinstance(here[int(parent) - 1], str):
                here[int(parent) - 1] = {"variant": here[int(parent) - 1]}
            here = here[int(parent) - 1]
        elif isinstance(here, dict):
            if here.get(parent) is None:
                here[parent] = {}
            here = here[parent]
        else:
            raise InputError(f"The override {override!r} leads nowhere: {parent!r} is no section")
    if not isinstance(here, dict):
        raise InputError(
            f"The override {override!r} leads nowhere: its parent is {name_kind(here)}"
        )
    here[last] = value
