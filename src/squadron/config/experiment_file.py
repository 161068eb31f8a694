"""Reads experiment files."""

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
        path: A YAML file; the file's stem is the name unless it gives one.
        overrides: `section.key=value` strings, the value in YAML; they win over file and profile.
        profile: A key of the file's `profiles`, whose settings are merged over the file; a list
            such as `contenders` replaces the file's.

    Raises:
        InputError: With the path of the bad value and what is allowed.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        known = ", ".join(sorted(str(p) for p in Path("experiments").glob("*.yaml")))
        raise InputError(
            f"The experiment file {path} does not exist; there are: {known or 'none'}"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a name that no file can have
        raise InputError(f"The experiment file {str(path)!r} can't be read: {error}") from None
    try:
        raw = parse_yaml(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date or number that is none
        problem = " ".join(str(error).split())
        raise InputError(f"The experiment file {path} is not valid YAML: {problem}") from None
    if not isinstance(raw, dict):
        raise InputError(
            f"The experiment file {path} holds {name_kind(raw)}; "
            "a mapping such as 'data:' is needed"
        )
    raw.setdefault("name", path.stem)
    try:
        profiles = _take_profiles(raw)
        if profile and profile not in profiles:
            raise InputError(
                f"{profile!r} is not a profile; there are: {', '.join(profiles) or 'none'}"
            )
        chosen = merge(raw, profiles[profile]) if profile else raw
        _check_profiles(raw, profiles)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    for override in overrides:
        apply_override(chosen, override)
    try:
        return build_experiment(chosen)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _take_profiles(raw: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Takes `profiles` out of a file: name -> what it lays over the file."""
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
    """Builds every profile, so that a slip is found before its profile is needed."""
    try:
        build_experiment(raw)
    except InputError:
        return  # the file is wrong or needs an override: nothing can be said of its profiles
    for name, content in profiles.items():
        try:
            build_experiment(merge(raw, content))
        except InputError as error:
            raise InputError(f"profiles -> {name} -> {error}") from None
