"""The list of all registered versions, with their figures, verdicts, aliases and promotions."""

from dataclasses import dataclass

from squadron.registry.evidence import Evidence, read_evidence
from squadron.registry.promotions import PROMOTED, Promotion, read_history
from squadron.registry.versions import (
    Registered,
    choose_model,
    list_aliases,
    list_models,
    search_versions,
)
from squadron.scores.gate_verdict import GateVerdict, read_tags


@dataclass(frozen=True)
class VersionRow:
    """A version as `squadron models` shows it."""

    version: Registered
    aliases: tuple[str, ...]
    evidence: Evidence
    verdicts: tuple[GateVerdict, ...]
    promotions: tuple[Promotion, ...]
    """All moves of an alias to this version, the first one first."""


def read_catalogue(name: str = "") -> list[VersionRow]:
    """Returns the versions of one model or of all models, the last one of each model first.

    Args:
        name: The name of a model; "" for all, the one that changed last first.

    Raises:
        InputError: If there is no such model, or none at all.
    """
    first = choose_model(name)
    return [row for each in ([first] if name else list_models()) for row in _read_model(each)]


def _read_model(name: str) -> list[VersionRow]:
    aliases = list_aliases(name)
    moves = [move for alias in PROMOTED for move in read_history(name, alias)]
    return [
        VersionRow(
            version,
            tuple(sorted(alias for alias, number in aliases.items() if number == version.version)),
            read_evidence(version),
            tuple(read_tags(version.tags)),
            # A model that was deleted and registered again has other versions with these numbers.
            tuple(
                move
                for move in moves
                if (move.version, move.run_id) == (version.version, version.run_id)
            ),
        )
        for version in search_versions(name)
    ]
