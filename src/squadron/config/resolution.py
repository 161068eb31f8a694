"""Builds an experiment from the plain values of its file.

The settings at the top of a file are defaults for every contender, and a contender with `seeds`
stands for several. Here they become contenders that state all their settings themselves.
"""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

from squadron.config.contenders import Contender
from squadron.config.conversion import convert, from_mapping
from squadron.config.experiment import SHARED, Experiment
from squadron.config.suggestions import describe_unknown
from squadron.errors import InputError


def build_experiment(raw: Mapping[str, object]) -> Experiment:
    """Builds an Experiment from plain mappings, which it does not change.

    Args:
        raw: The values of an experiment file without `profiles`. `backbone`, `trained_on`,
            `windows`, `train` and `predict` may stand at the top; a contender may differ in any of
            them.

    Raises:
        InputError: With the path of the bad value and what is allowed.
    """
    top = dict(raw)
    shared: dict[str, Any] = {name: top.pop(name) for name in SHARED if name in top}
    _check_names(top)
    contenders = _read_contenders(top.get("contenders"))
    _check_shared(shared, contenders)
    top["contenders"] = [
        merge(_choose_defaults(contender, shared), contender)
        for number, entry in enumerate(contenders, start=1)
        for contender in _expand_seeds(entry, f"contenders -> {number}")
    ]
    return from_mapping(Experiment, top)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Returns two nested mappings merged; the values of `over` win."""
    merged = dict(base)
    for key, value in over.items():
        if isinstance(merged.get(key), Mapping) and (value is None or isinstance(value, Mapping)):
            merged[key] = merge(merged[key], value or {})  # an empty section changes nothing
        else:
            merged[key] = value
    return merged


def _check_names(top: Mapping[str, Any]) -> None:
    known = [field.name for field in dataclasses.fields(Experiment)]
    for key, value in top.items():
        if key not in known:
            names = [*known, *SHARED, "profiles"]
            raise InputError(describe_unknown("", str(key), names, value))


def _read_contenders(contenders: Any) -> list[dict[str, Any]]:
    """Returns one mapping for each entry of the list; a variant's name becomes one, too."""
    if not isinstance(contenders, list) or not contenders:
        raise InputError(f"contenders: {contenders!r} is not allowed; list at least one variant")
    mappings: list[dict[str, Any]] = []
    for number, contender in enumerate(contenders, start=1):
        if isinstance(contender, str):
            contender = {"variant": contender}
        if not isinstance(contender, dict):
            raise InputError(
                f"contenders -> {number}: {contender!r} is not allowed; "
                "give a variant's name or a mapping with 'variant:'"
            )
        mappings.append(contender)
    return mappings


def _check_shared(shared: Mapping[str, Any], contenders: list[dict[str, Any]]) -> None:
    """Refuses a bad value where it stands in the file if a contender takes it as it is."""
    hints = typing.get_type_hints(Contender)
    for name, value in shared.items():
        if any(name not in contender for contender in contenders):
            convert(hints[name], value, name)


def _choose_defaults(contender: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the settings at the top of the file that a contender takes.

    `trained_on` at the top is about the backbone at the top. A contender with a backbone of its own
    does not take it.
    """
    has_own = "backbone" in contender or "trained_on" in contender
    return {name: value for name, value in shared.items() if not (name == "trained_on" and has_own)}


def _expand_seeds(contender: dict[str, Any], path: str) -> list[dict[str, Any]]:
    """Returns one contender for each seed of `seeds`, each with its own label."""
    if "seeds" not in contender:
        return [contender]
    rest = dict(contender)
    seeds = rest.pop("seeds")
    is_list = isinstance(seeds, list) and bool(seeds)
    if not is_list or not all(type(seed) is int and seed >= 0 for seed in seeds):
        raise InputError(
            f"{path} -> seeds: {seeds!r} is not allowed; list whole numbers, 0 or more"
        )
    if len(set(seeds)) < len(seeds):
        raise InputError(f"{path} -> seeds: {seeds!r} is not allowed; name each seed once")
    group = str(rest.get("label") or rest.get("variant") or "")
    return [
        merge(rest, {"label": f"{group}-seed{seed}", "group": group, "train": {"seed": seed}})
        for seed in seeds
    ]
