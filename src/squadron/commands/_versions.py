"""How registered versions are shown: their figures, their verdicts and their promotions."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from squadron.commands._comparison import figures_as_json
from squadron.wording import counted, figure_with_interval, join_words

if TYPE_CHECKING:
    from squadron.registry.catalogue import VersionRow
    from squadron.registry.promotions import Promotion
    from squadron.registry.versions import Registered
    from squadron.scores.gate_verdict import GateVerdict


def show_time(milliseconds: int) -> str:
    """Returns a time in UTC as ISO 8601 writes it, such as 2026-11-22T15:40:00Z.

    Args:
        milliseconds: Since 1970.
    """
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(milliseconds / 1000))


def show_status(version: "Registered") -> str:
    """Returns the validation status of a version."""
    return version.tags.get("validation_status") or "no validation status"


def show_verdicts(verdicts: "Sequence[GateVerdict]") -> str:
    """Returns the verdicts of gates on one line, such as "6 passed; failed: latency (why)"."""
    if not verdicts:
        return "none was recorded"
    failed = [each for each in verdicts if not each.passed]
    parts = [f"{len(verdicts) - len(failed)} passed"]
    if failed:
        parts.append(
            "failed: " + ", ".join(f"{e.name} ({e.why})" if e.why else e.name for e in failed)
        )
    return "; ".join(parts)


def show_licences(version: "Registered", alias: str) -> str:
    """Returns the licences of a version on one line.

    Args:
        version: The version.
        alias: What it is promoted to. Before it is used commercially, an unknown licence matters.
    """
    from squadron.models.licences import is_unknown
    from squadron.registry.review import read_licences

    licences = read_licences(version)
    line = "Licences: " + "; ".join(f"{what} {licence}" for what, licence in licences.items())
    unknown = [what for what, licence in licences.items() if is_unknown(licence)]
    if alias == "production" and unknown:
        line += f". Nobody has stated the licence of its {join_words(unknown)}; find out whether "
        line += "it allows this use"
    return line


def describe_version(row: "VersionRow") -> list[str]:
    """Returns the lines of `squadron models` about one version."""
    from squadron.tracking import race_texts

    version, held = row.version, ", ".join(row.aliases)
    contender = version.tags.get("contender", "")
    origin = f"{contender} of the race {row.evidence.race}" if row.evidence.race else contender
    facts = [
        ("registered", show_time(version.registered_ms) + (f", {origin}" if origin else "")),
        ("status", show_status(version)),
        *((split, _show_split(row, split)) for split in ("select", "test")),
        ("gates", show_verdicts(row.verdicts)),
    ]
    for alias in row.aliases:
        moves = [move for move in row.promotions if move.alias == alias]
        if moves:
            facts.append((alias, moves[-1].describe()))
    lines = [f"  version {version.version}" + (f": {held}" if held else "")]
    lines += [race_texts.wrap_line(f"    {label:11} {text}") for label, text in facts if text]
    return lines


def version_as_json(row: "VersionRow") -> dict[str, object]:
    """Returns what `squadron models` shows of a version as JSON values."""
    version = row.version
    return {
        "model": version.name,
        "version": version.version,
        "aliases": list(row.aliases),
        "registered": show_time(version.registered_ms),
        "validation_status": version.tags.get("validation_status", ""),
        "contender": version.tags.get("contender", ""),
        "race": row.evidence.race,
        "run_id": version.run_id,
        "select_digest": version.tags.get("select_digest", ""),
        "figures": figures_as_json(row.evidence),
        "gates": {each.name: {"passed": each.passed, "why": each.why} for each in row.verdicts},
        "promotions": [promotion_as_json(each) for each in row.promotions],
    }


def promotion_as_json(move: "Promotion") -> dict[str, object]:
    """Returns a move of an alias as JSON values."""
    return {name: value for name, value in vars(move).items() if name != "id"}


def _show_split(row: "VersionRow", split: str) -> str:
    """Returns the figures of a split on one line; "" if none is known."""
    figures = row.evidence.figures
    parts = [
        f"{label} {figure_with_interval(figures[name])}"
        for label, name in (("EM", f"{split}_exact_match"), ("F1", f"{split}_f1"))
        if name in figures
    ]
    number = row.version.tags.get(f"{split}_examples", "")
    if parts and number.isdigit():
        parts.append(counted(int(number), "question"))
    return ", ".join(parts)
