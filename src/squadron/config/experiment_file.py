"""Reads an experiment from its file, with the chosen profile and the overrides laid over it."""

from pathlib import Path
from typing import Any

from squadron.config.experiment import Experiment
from squadron.config.overrides import apply_override
from squadron.config.parsing import parse_yaml
from squadron.config.resolution import build_experiment, merge
from squadron.config.wording import name_kind
from squadron.errors import InputError


def load_experiment(path: Path, overrides: tuple[str, ...] = (), profile: str = "") -> Experiment:
    """Reads an experiment file.

    Args:
        path: A YAML file. The file's name without its ending is the experiment's name, unless the
            file gives one.
        overrides: Texts of the form `section.key=value`, with the value in YAML. They win over the
            file and the profile.
        profile: A key of the file's `profiles`, whose settings are merged over the file. A list
            such as `contenders` replaces the file's list.

    Raises:
        InputError: With the path of the bad value and what is allowed.
    """
    raw = _read_mapping(path)
    raw.setdefault("name", path.stem)
    try:
        chosen = _choose_profile(raw, profile)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    for override in overrides:
        apply_override(chosen, override)
    try:
        return build_experiment(chosen)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _read_mapping(path: Path) -> dict[str, Any]:
    """Returns the plain values of an experiment file.

    Raises:
        InputError: If there is no such file, or if it holds something else than a YAML mapping.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        known = ", ".join(sorted(str(p) for p in Path("experiments").glob("*.yaml")))
        raise InputError(
            f"The experiment file {path} does not exist; there are: {known or 'none'}"
        ) from None
    # A ValueError means that the file is no UTF-8, or that no file can have this name.
    except (OSError, ValueError) as error:
        raise InputError(f"The experiment file {str(path)!r} can't be read: {error}") from None
    try:
        raw = parse_yaml(text)
    except (yaml.YAMLError, ValueError) as error:
        problem = " ".join(str(error).split())
        raise InputError(f"The experiment file {path} is not valid YAML: {problem}") from None
    if not isinstance(raw, dict):
        raise InputError(
            f"The experiment file {path} holds {name_kind(raw)}; "
            "a mapping such as 'data:' is needed"
        )
    return raw


def _choose_profile(raw: dict[str, Any], profile: str) -> dict[str, Any]:
    """Returns the plain values of a file with the chosen profile merged over them.

    Args:
        raw: The plain values of the file. `profiles` is taken out of them.
        profile: The name of a profile, or "" for the file as it is.

    Raises:
        InputError: If there is no such profile, or if any profile of the file is wrong.
    """
    profiles = _take_profiles(raw)
    if profile and profile not in profiles:
        raise InputError(
            f"{profile!r} is not a profile; there are: {', '.join(profiles) or 'none'}"
        )
    chosen = merge(raw, profiles[profile]) if profile else raw
    _check_profiles(raw, profiles)
    return chosen


def _take_profiles(raw: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Removes `profiles` from the values of a file and returns each profile by its name."""
    profiles = raw.pop("profiles", None) or {}
    if not isinstance(profiles, dict):
        raise InputError(f"profiles: {profiles!r} is {name_kind(profiles)}; a mapping is needed")
    for name, content in profiles.items():
        if not (content is None or isinstance(content, dict)):
            raise InputError(
                f"profiles -> {name}: {content!r} is {name_kind(content)}; a mapping is needed"
            )
    return {str(name): content or {} for name, content in profiles.items()}


def _check_profiles(raw: dict[str, Any], profiles: dict[str, dict[str, Any]]) -> None:
    """Builds every profile, so that a mistake is found before its profile is needed."""
    try:
        build_experiment(raw)
    except InputError:
        return  # The file is wrong or needs an override, so profiles cannot be checked.
    for name, content in profiles.items():
        try:
            build_experiment(merge(raw, content))
        except InputError as error:
            raise InputError(f"profiles -> {name} -> {error}") from None
