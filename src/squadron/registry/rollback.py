"""The way back: which version an alias pointed at before its last promotion."""

from collections.abc import Mapping, Sequence

from squadron.errors import InputError
from squadron.registry.promotions import (
    PROMOTE,
    ROLLBACK,
    Promotion,
    check_alias,
    find_holder,
    read_history,
)
from squadron.registry.versions import Registered, find_version, search_versions


def find_earlier(name: str, alias: str) -> Registered:
    """Returns the version to which a rollback of an alias leads.

    It is the one that the alias pointed at before the last promotion that was not rolled back.
    Versions that were deleted since are left out.

    Raises:
        InputError: If the alias points at no version, or there is no earlier one.
    """
    check_alias(alias)
    holder = find_holder(name, alias)
    if not holder:
        raise InputError(
            f"The alias {alias!r} of {name} points at no version, so there is no way back; promote "
            f"one with `squadron promote VERSION --model {name} --to {alias}`"
        )
    history = read_history(name, alias)
    known = {each.version: each for each in search_versions(name)}
    runs = {version: each.run_id for version, each in known.items()}
    # A model that was deleted and registered again has other versions with the same numbers.
    history = [move for move in history if move.run_id == runs.get(move.version, move.run_id)]
    tags = {version: each.tags for version, each in known.items()}
    earlier = [
        version
        for version in list_earlier(history, holder, tags, alias)
        if version in known and version != holder
    ]
    if not earlier:
        raise InputError(
            f"The alias {alias!r} of {name} points at version {holder}, and no earlier version is "
            "known; `squadron models` lists the versions that can be promoted"
        )
    return find_version(name, earlier[-1])


def list_earlier(
    history: Sequence[Promotion], holder: str, tags: Mapping[str, Mapping[str, str]], alias: str
) -> list[str]:
    """Returns the versions that rollbacks of an alias lead to, the next one last.

    Args:
        history: All moves of the alias, the first one first.
        holder: The version that the alias points at.
        tags: Version -> its tags. Before there was a history, the tag previous_ALIAS named the
            version that a promotion replaced.
        alias: The alias.
    """
    held = _read_tags(history[0].previous if history else holder, history, tags, alias)
    for move in history:
        # The page of MLflow may have moved the alias in between.
        if move.previous and held[-1:] != [move.previous]:
            held.append(move.previous)
        if move.action == ROLLBACK and move.version in held:
            held = held[: len(held) - held[::-1].index(move.version)]
        else:
            held.append(move.version)
    return held[:-1] if held[-1:] == [holder] else held


def _read_tags(
    version: str,
    history: Sequence[Promotion],
    tags: Mapping[str, Mapping[str, str]],
    alias: str,
) -> list[str]:
    """Returns a version that had an alias before its history, and those that had it before."""
    # A promotion of the history has replaced the tag of its version. A rollback keeps the tag.
    known = {move.version for move in history if move.action == PROMOTE}
    held = [version] if version else []
    while held and held[0] not in known:
        before = tags.get(held[0], {}).get(f"previous_{alias}", "")
        if not before or before in held:
            break
        held.insert(0, before)
    return held
