"""Promotions: who pointed which alias at which version, when and why.

The ledger of the model (`tracking.ledger`) decides. An alias is moved only after the move has been
written to the ledger, where of two moves at the same time one is refused. A process that finds a
move that was written but not carried out carries it out. docs/decisions/promotion.md has the
reasons. `rollback` finds the way back.
"""

import getpass
import json
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

from squadron import tracking
from squadron.errors import InputError
from squadron.registry.versions import (
    PRODUCTION,
    STAGING,
    find_version,
    point_alias,
    tag_version,
)
from squadron.tracking import ledger

if TYPE_CHECKING:
    from mlflow import MlflowClient

PROMOTED = (STAGING, PRODUCTION)
"""The aliases whose moves are recorded."""
PROMOTE, ROLLBACK = "promote", "rollback"
MOST_REASON_CHARACTERS = 500
_DONE = ".done"


class AliasMovedError(InputError):
    """Somebody else has moved the alias since it was looked at."""


@dataclass(frozen=True)
class Promotion:
    """One move of an alias."""

    action: str
    """PROMOTE or ROLLBACK."""
    alias: str
    version: str
    """The version that the alias points at since then."""
    previous: str
    """The version that it pointed at before; "" for none."""
    when: str
    """In UTC, as ISO 8601 writes it, such as 2026-11-22T15:40:00Z."""
    who: str
    """The name that the system has for the user."""
    reason: str = ""
    forced: bool = False
    """Whether it was promoted although a check refused it."""
    run_id: str = ""
    """The run that made the version. Another version may get the same number later."""
    id: str = ""
    """Tells this move from an equal one of another process."""

    def describe(self) -> str:
        """Returns who moved the alias, when, from where and why, on one line."""
        before = f", from version {self.previous}" if self.previous else ""
        what = "rolled back" if self.action == ROLLBACK else "promoted"
        reason = f"; {'forced' if self.forced else 'reason'}: {self.reason}" if self.reason else ""
        return f"{what} by {self.who} at {self.when}{before}{reason}"


def check_alias(alias: str) -> None:
    """Checks that people move an alias.

    Raises:
        InputError: If it is another alias.
    """
    if alias not in PROMOTED:
        raise InputError(
            f"The alias {alias!r} has no promotions; give one of {', '.join(PROMOTED)}"
        )


def check_reason(reason: str) -> str:
    """Returns a reason on one line.

    Raises:
        InputError: If it is too long.
    """
    # Half a character, as a terminal with another encoding may give, can't be stored.
    text = " ".join(reason.encode(errors="replace").decode().split())
    if len(text) > MOST_REASON_CHARACTERS:
        raise InputError(
            f"The reason has {len(text):,} characters; give at most {MOST_REASON_CHARACTERS:,}"
        )
    return text


def read_history(name: str, alias: str) -> list[Promotion]:
    """Returns all moves of an alias of a model, the first one first.

    Raises:
        InputError: If the store can't be used.
    """
    client = tracking.connect_existing()
    with tracking.explained():
        return _list(_read(client, ledger.find_ledger(client, name)), alias)


def find_holder(name: str, alias: str) -> str:
    """Returns the version that an alias points at; "" for none, also if there is no such model.

    A move that a killed process has written but not carried out is carried out first.

    Raises:
        InputError: If the store can't be used.
    """
    client = tracking.connect_existing()
    with tracking.explained():
        if not client.search_registered_models(f"name = '{name}'"):
            return ""
        found = ledger.find_ledger(client, name)
        _settle(client, found, name, alias)
        return _holder(client, name, alias)


def move_alias(
    name: str,
    alias: str,
    version: str,
    *,
    expected: str,
    action: str = PROMOTE,
    reason: str = "",
    forced: bool = False,
) -> Promotion:
    """Points an alias at a version and records it, unless the alias was moved meanwhile.

    Args:
        name: The name of the registered model.
        alias: One of PROMOTED.
        version: The version's number or alias.
        expected: The version that the alias pointed at when the person decided; "" for none.
        action: PROMOTE or ROLLBACK.
        reason: Why, on one line.
        forced: Whether the person insists although a check refused the version.

    Raises:
        AliasMovedError: If another process has moved the alias since, with who did it.
        InputError: If there is no such version, or the store can't be used.
    """
    check_alias(alias)
    check_reason(reason)
    client = tracking.connect_existing()
    chosen = find_version(name, version)
    with tracking.explained():
        place = ledger.open_ledger(client, name)
        known = _list(_read(client, place), alias)
        _settle(client, place, name, alias)
        holder = _holder(client, name, alias)
        if holder != expected:
            moves = _list(_read(client, place), alias)
            raise AliasMovedError(_refuse(name, alias, holder, moves))
        move = Promotion(
            action, alias, chosen.version, holder, _now(), find_user(), reason, forced,
            chosen.run_id, uuid.uuid4().hex,
        )  # fmt: skip
        entry = _entry_name(alias, len(known) + 1)
        text = json.dumps(asdict(move), ensure_ascii=False)
        is_ours = ledger.add_entry(client, place, entry, text)
        _carry_out(client, place, name, alias)
        if not is_ours:
            moved = _list(_read(client, place), alias)
            raise AliasMovedError(_refuse(name, alias, moved[len(known)].version, moved))
    return move


def find_user() -> str:
    """Returns the name that the system has for the user, or the user's number."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # A container may run as a user without a name.
        return f"user {os.getuid()}"


def _read(client: "MlflowClient", place: str) -> dict[str, str]:
    return ledger.read_entries(client, place)


def _list(entries: Mapping[str, str], alias: str) -> list[Promotion]:
    """Returns the moves of an alias from the entries of a ledger, the first one first."""
    moves: list[Promotion] = []
    while (text := entries.get(name := _entry_name(alias, len(moves) + 1))) is not None:
        moves.append(_parse(name, text))
    return moves


def _parse(name: str, text: str) -> Promotion:
    """Returns a move from its entry. Fields of a later version of Squadron are left out.

    Raises:
        InputError: If no `squadron promote` can have written the entry.
    """
    try:
        found = json.loads(text)
        return Promotion(**{each.name: found[each.name] for each in fields(Promotion)})
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"The entry {name} in the MLflow experiment {ledger.EXPERIMENT!r} is no promotion: "
            f"{text[:80]!r}. Somebody else wrote it; delete that run to begin a new history"
        ) from None


def _entry_name(alias: str, number: int) -> str:
    return f"{alias}.{number:06d}"


def _holder(client: "MlflowClient", name: str, alias: str) -> str:
    # An error of the store must not look as if the alias pointed at no version.
    return str(client.get_registered_model(name).aliases.get(alias, ""))


def _settle(client: "MlflowClient", place: str, name: str, alias: str) -> None:
    """Carries out the last move of an alias if the process that wrote it has not done so."""
    entries = _read(client, place)
    moves = _list(entries, alias)
    if not moves or _entry_name(alias, len(moves)) + _DONE in entries:
        return
    if _holder(client, name, alias) in (moves[-1].previous, moves[-1].version):
        _carry_out(client, place, name, alias)
    else:  # It was carried out, and a person has moved the alias in MLflow since.
        ledger.add_entry(client, place, _entry_name(alias, len(moves)) + _DONE, "yes")


def _carry_out(client: "MlflowClient", place: str, name: str, alias: str) -> None:
    """Points an alias at the version of its last move, tags the version, and notes that.

    Another process may add a move at the same time. Each process reads the ledger again after it
    has set the alias, so whichever sets it last has seen the last move.
    """
    from mlflow.exceptions import MlflowException

    moves = _list(_read(client, place), alias)
    while True:
        number = len(moves)
        try:
            point_alias(client, name, alias, moves[-1].version)
            _tag(client, name, moves[-1])
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise  # The version was not deleted; the store has a problem.
        moves = _list(_read(client, place), alias)
        if len(moves) == number:
            break
    ledger.add_entry(client, place, _entry_name(alias, number) + _DONE, "yes")


def _tag(client: "MlflowClient", name: str, move: Promotion) -> None:
    """Shows a move on the page of its version."""
    tag_version(client, name, move.version, f"{move.alias}_since", move.describe())
    if move.action == PROMOTE and move.previous:
        tag_version(client, name, move.version, f"previous_{move.alias}", move.previous)


def _refuse(name: str, alias: str, holder: str, moves: Sequence[Promotion]) -> str:
    """Returns the sentence for a person whose move came second."""
    where = f"version {holder}" if holder else "no version"
    who = f": {moves[-1].describe()}" if moves and moves[-1].version == holder else ""
    return (
        f"The alias {alias!r} of {name} was moved meanwhile and points at {where} now{who}. "
        "Nothing was changed; look at that version and decide again"
    )


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
