"""Builds an experiment from the plain values of its file."""

import dataclasses
import typing
from collections.abc import Mapping
from typing import Any

from squadron.config.contenders import Contender
from squadron.config.conversion import convert, from_mapping
from squadron.config.experiment import Experiment
from squadron.config.suggestions import describe_unknown
from squadron.errors import InputError


def build_experiment(raw: Mapping[str, Any]) -> Experiment:
    """Builds an Experiment from plain mappings.

    The sections backbone, trained_on, windows, train and predict stand at the top as defaults for
    every contender; a contender may differ in any of them.
    """
    top = dict(raw)
    names = ("backbone", "trained_on", "windows", "train", "predict")
    shared: dict[str, Any] = {name: top.pop(name) for name in names if name in top}
    known = [f.name for f in dataclasses.fields(Experiment)]
    for key in top:
        if key not in known:
            raise InputError(describe_unknown("", str(key), [*known, *names, "profiles"], top[key]))
    contenders = top.get("contenders")
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
    hints = typing.get_type_hints(Contender)
    for name, value in shared.items():
        # Where a contender takes it as it is, a bad value is named where it stands in the file.
        if any(name not in contender for contender in mappings):
            convert(hints[name], value, name)
    mappings = [
        each
        for number, contender in enumerate(mappings, start=1)
        for each in _expand_seeds(contender, f"contenders -> {number}")
    ]
    top["contenders"] = [
        merge(_defaults_for(contender, shared), contender) for contender in mappings
    ]
    return from_mapping(Experiment, top)


def _defaults_for(contender: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults of one contender: `trained_on` is about the backbone that stands beside it."""
    left_out = (
        {"trained_on"} & shared.keys() if {"backbone", "trained_on"} & {*contender} else set()
    )
    return {name: value for name, value in shared.items() if name not in left_out}


def _expand_seeds(contender: dict[str, Any], path: str) -> list[dict[str, Any]]:
    """One contender per seed of `seeds`, each with a label of its own."""
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


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings merged; what `over` says wins."""
    merged = dict(base)
    for key, value in over.items():
        if isinstance(merged.get(key), Mapping) and (value is None or isinstance(value, Mapping)):
            merged[key] = merge(merged[key], value or {})  # an empty section says nothing
        else:
            merged[key] = value
    return merged
