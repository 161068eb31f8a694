"""What a name that is no setting may have been meant to be."""

import dataclasses
import difflib
import typing
from typing import Any

from squadron.config.contenders import Contender, TrainedOn
from squadron.config.experiment import SHARED, Experiment
from squadron.config.values import SEVERAL_SEEDS, convert_value
from squadron.config.wording import join_path
from squadron.errors import InputError


def describe_unknown(path: str, key: str, names: list[str], value: object) -> str:
    """Returns what is wrong with a name that is no setting, and where the setting may belong.

    Args:
        path: Where the name was found; "" at the top.
        key: The name.
        names: The settings that may stand there.
        value: The value that the name was given.
    """
    problem = f"{join_path(path, key)} is not a setting; "
    if key in ("seed", "seeds") and isinstance(value, list):
        single = " or ".join(map(repr, _find_places("seed", 0, path)))
        return f"{problem}one whole number is {single}{SEVERAL_SEEDS}"
    places = _find_places(key, value, path)
    near = difflib.get_close_matches(key, names, n=1)
    meant = places or near
    hint = f"did you mean {' or '.join(map(repr, meant))}? " if meant else ""
    return f"{problem}{hint}known: {', '.join(sorted(names))}"


def _find_places(key: str, value: object, path: str) -> list[str]:
    """Returns the settings of that name that can have that value, as `--set` names them.

    Args:
        key: The name.
        value: The value that it was given.
        path: Where it was found. A contender's setting is looked for in a contender's sections
            first.
    """
    everywhere = _list_settings(Experiment)
    own = [f"{name}." for name in SHARED]
    found = [place for place in everywhere if place.rpartition(".")[2] == key]
    if path.startswith("contenders"):
        found = [place for place in found if place.startswith(tuple(own))] or found
    return [place for place in found if _can_be(everywhere[place], value)]


def _can_be(hint: Any, value: object) -> bool:
    try:
        convert_value(hint, value, "")
    except InputError:
        return False
    return True


def _list_settings(cls: type[Any], prefix: str = "") -> dict[str, Any]:
    """Returns all settings and their types, as `--set` names them, such as "train.epochs".

    Settings of `TrainedOn` are left out, because they have usual names, such as `files`.
    """
    settings: dict[str, Any] = {}
    for name, hint in typing.get_type_hints(cls).items():
        if typing.get_args(hint)[:1] == (Contender,):
            # A contender's sections may also stand at the top of a file, for all contenders.
            inner = _list_settings(Contender)
            for place, kind in inner.items():
                settings[place if "." in place else f"{name}.1.{place}"] = kind
        elif hint is TrainedOn:
            continue
        elif dataclasses.is_dataclass(hint):
            settings |= _list_settings(typing.cast(type[Any], hint), f"{prefix}{name}.")
        else:
            settings[f"{prefix}{name}"] = hint
    return settings
