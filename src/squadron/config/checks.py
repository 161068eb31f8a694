"""Refuses values that a section cannot have."""

from squadron.errors import InputError


def require(condition: bool, name: str, value: object, allowed: str) -> None:
    """Refuses one value; the loader puts the path of the section in front."""
    if not condition:
        raise InputError(f"{name}: {value!r} is not allowed; {allowed}")
