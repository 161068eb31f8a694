"""What speaks against a promotion: gates, a demo, a licence, or a better version that it replaces.

`squadron promote` shows it to a person, and the step register decides by it. Nothing is moved here;
`promotions` does that.
"""

from dataclasses import dataclass

from squadron.errors import InputError
from squadron.models.licences import find_licence, forbids_commercial_use, is_unknown
from squadron.registry.comparison import Answered, Comparison, compare_versions
from squadron.registry.versions import PRODUCTION, Registered
from squadron.scores.gate_verdict import PASSED, read_tags
from squadron.wording import join_words


@dataclass(frozen=True)
class Review:
    """What is known about pointing an alias at a version."""

    objections: tuple[str, ...]
    """Why a person must insist; () if nothing speaks against it."""
    comparison: Comparison | None = None
    """The version compared with the one that it replaces; None if it replaces none, or the two
    can't be compared."""
    why_not_compared: str = ""
    """Why the two can't be compared, in a sentence without a full stop; "" if they can."""


def review_promotion(
    chosen: Registered, current: Registered | None, alias: str, answered: Answered | None = None
) -> Review:
    """Reviews what would happen if an alias pointed at a version.

    Args:
        chosen: The version.
        current: The version that the alias points at now; None for none.
        alias: The alias.
        answered: How the version answered; None to download it.
    """
    objections = find_objections(chosen, alias)
    if current is None:
        return Review(tuple(objections))
    try:
        comparison = compare_versions(chosen, current, answered)
    except InputError as error:
        return Review(tuple(objections), why_not_compared=str(error))
    if comparison.is_worse:
        objections.append(f"it is worse than version {current.version} by more than chance")
    return Review(tuple(objections), comparison)


def find_objections(version: Registered, alias: str) -> list[str]:
    """Returns why a version may get an alias only if a person insists; [] if it may.

    A comparison with the version that has the alias is no part of it.
    """
    status = version.tags.get("validation_status", "")
    failed = [each.name for each in read_tags(version.tags) if not each.passed]
    objections = []
    if failed:
        gates = "gate" if len(failed) == 1 else "gates"
        objections.append(f"it failed the {gates} {join_words(failed)}")
    if status == "demo":
        objections.append("it comes from a demo, whose figures rank nothing")
    elif status != PASSED and not failed:
        objections.append(f"no race has passed it (its validation_status is {status or 'missing'})")
    if alias == PRODUCTION:
        objections += [
            f"the licence of its {what} ({licence}) forbids commercial use"
            for what, licence in read_licences(version).items()
            if forbids_commercial_use(licence)
        ]
    return objections


def read_licences(version: Registered) -> dict[str, str]:
    """Returns the licences of a version's backbone and of its data, as its tags state them.

    The licence of a backbone that no tag states may be known here by now.
    """
    backbone = version.tags.get("licence", "")
    named = version.tags.get("backbone", "")
    if is_unknown(backbone):
        backbone = find_licence(named) if named else "unknown"
    return {"backbone": backbone, "data": version.tags.get("data_licence") or "unknown"}
