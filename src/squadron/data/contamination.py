"""Describes what judged splits share with train, and says when their figures mean nothing.

`leakage` counts it. Ingest prints it, and evaluate passes it on to the table, the report and the
model card.
"""

from collections.abc import Mapping
from typing import Any

from squadron.config import Data
from squadron.wording import join_words

Shared = Mapping[str, Mapping[str, Any]]
"""Judged split -> {unit, units, shared, titles, all_titles}; only splits that share something."""


def read_shared(validation: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Reads what judged splits share with train.

    Args:
        validation: The content of validation.json.

    Returns:
        As in `Shared`. If data are split by question, titles are shared by design and not counted.
    """
    leakage = validation["leakage"]
    shared = {}
    for name, found in leakage["splits"].items():
        about = {
            "unit": leakage["unit"],
            "units": found["units"],
            "shared": found["units_also_in_train"],
            "titles": found["titles_also_in_train"] if leakage["unit"] == "paragraph" else 0,
            "all_titles": len(validation["splits"][name]["titles"]),
        }
        if about["shared"] or about["titles"]:
            shared[name] = about
    return shared


def is_test_spoilt(shared: Shared) -> bool:
    """Says whether test shares more with train than is allowed by default.

    If someone raises `data.max_shared_share`, the race is not refused. Figures on questions that
    were trained on still mean nothing, so evaluate does not judge such a test split. The other
    splits share nothing, because `split` keeps what belongs together in one split.
    """
    found = shared.get("test")
    return found is not None and bool(found["shared"] > Data.max_shared_share * found["units"])


def describe_shared(shared: Shared) -> list[str]:
    """Returns a warning for each split that shares paragraphs, questions or titles with train."""
    is_spoilt = is_test_spoilt(shared)
    return [_describe(name, found, name == "test" and is_spoilt) for name, found in shared.items()]


def _describe(name: str, found: Mapping[str, Any], is_spoilt: bool) -> str:
    parts = []
    if found["shared"]:
        share = 100 * found["shared"] / found["units"]
        parts.append(
            f"{found['shared']:,} of its {found['units']:,} {found['unit']}s ({share:.1f} %)"
        )
    if found["titles"]:
        parts.append(f"{found['titles']:,} of its {found['all_titles']:,} titles")
    what = f"{join_words(parts)} are also in train"
    if is_spoilt:
        return f"{name} was trained on: {what}. It is not judged and has no figures."
    if found["shared"]:
        return f"{name} was partly trained on: {what}. Its figures may be too high."
    return f"{name} has titles that were trained on: {what}. It shows little about new titles."
