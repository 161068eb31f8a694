"""Describes what judged splits share with train, and says when their figures mean nothing.

`leakage` counts it. Ingest prints it, and evaluate passes it on to the table, the report and the
model card.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from squadron.config import Data
from squadron.data.validation_file import Validation
from squadron.wording import join_words


@dataclass(frozen=True)
class Shared:
    """What one judged split shares with train."""

    unit: str
    """"paragraph" or "question"."""
    units: int
    """Number of units in the split."""
    shared: int
    """Units that are also in train."""
    titles: int
    """Titles that are also in train."""
    all_titles: int
    """Number of titles in the split."""


def read_shared(validation: Validation) -> dict[str, Shared]:
    """Reads what judged splits share with train.

    Returns:
        Split -> what it shares; only splits that share something. If data are split by question,
        titles are shared by design and not counted.
    """
    leakage = validation.leakage
    shared = {}
    for name, found in leakage.splits.items():
        about = Shared(
            leakage.unit,
            units=found.units,
            shared=found.units_also_in_train,
            titles=found.titles_also_in_train if leakage.unit == "paragraph" else 0,
            all_titles=len(validation.splits[name].titles),
        )
        if about.shared or about.titles:
            shared[name] = about
    return shared


def is_test_spoilt(shared: Mapping[str, Shared]) -> bool:
    """Says whether test shares more with train than is allowed by default.

    If someone raises `data.max_shared_share`, the race is not refused. Figures on questions that
    were trained on still mean nothing, so evaluate does not judge such a test split. The other
    splits share nothing, because `split` keeps what belongs together in one split.
    """
    found = shared.get("test")
    return found is not None and found.shared > Data.max_shared_share * found.units


def describe_shared(shared: Mapping[str, Shared]) -> list[str]:
    """Returns a warning for each split that shares paragraphs, questions or titles with train."""
    is_spoilt = is_test_spoilt(shared)
    return [_describe(name, found, name == "test" and is_spoilt) for name, found in shared.items()]


def _describe(name: str, found: Shared, is_spoilt: bool) -> str:
    parts = []
    if found.shared:
        share = 100 * found.shared / found.units
        parts.append(f"{found.shared:,} of its {found.units:,} {found.unit}s ({share:.1f} %)")
    if found.titles:
        parts.append(f"{found.titles:,} of its {found.all_titles:,} titles")
    what = f"{join_words(parts)} are also in train"
    if is_spoilt:
        return f"{name} was trained on: {what}. It is not judged and has no figures."
    if found.shared:
        return f"{name} was partly trained on: {what}. Its figures may be too high."
    return f"{name} has titles that were trained on: {what}. It shows little about new titles."
