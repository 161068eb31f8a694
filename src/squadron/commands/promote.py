"""`squadron promote`: points an alias at a version, after a person has seen what it replaces."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from squadron.registry import Registered
    from squadron.registry.review import Review

HELP = "point an alias at a version, after a comparison with the present one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the version, the alias, the model, and how sure the person is."""
    parser.add_argument("version", help="a number or an alias")
    parser.add_argument("--to", required=True, choices=["staging", "production"], help="the alias")
    parser.add_argument("--model", default="", help="default: the one registered last")
    parser.add_argument(
        "--yes", action="store_true", help="do not ask; works only if nothing speaks against it"
    )
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the history")
    parser.add_argument(
        "--force",
        metavar="REASON",
        help="promote although a gate failed, it is a demo, it is worse than the present version, "
        "or its licence forbids the use; the reason is recorded",
    )


def run(options: argparse.Namespace) -> int:
    """Shows a version beside the one that an alias points at, asks, and moves the alias.

    A version that failed a gate, that comes from a demo, that is worse than the present one by more
    than chance, or whose licence forbids commercial use (for production) is refused without
    --force. If somebody else moves the alias meanwhile, nothing is changed. `squadron history`
    shows who promoted what, and `squadron rollback` goes back.
    """
    from squadron import registry
    from squadron.commands._consent import agrees
    from squadron.errors import InputError
    from squadron.registry import promotions, review

    reason = promotions.check_reason(options.reason if options.force is None else options.force)
    if options.force is not None and not reason:
        raise InputError("--force needs a reason, which is recorded; give one in a few words")
    name, alias = registry.choose_model(options.model), options.to
    chosen = registry.find_version(name, options.version)
    holder = promotions.find_holder(name, alias)
    if holder == chosen.version:
        print(f"{alias} of {name} is version {holder} already.")
        return 0
    print(
        f"{alias} of {name}: {f'version {holder}' if holder else 'no version'} -> {chosen.version}"
    )
    current = registry.find_version(name, holder) if holder else None
    found = review.review_promotion(chosen, current, alias)
    _show(chosen, current, alias, found)
    if found.objections and options.force is None:
        raise InputError(
            f"{name} version {chosen.version} is not promoted: {'; '.join(found.objections)}. To "
            "promote it all the same, add --force REASON; the reason is recorded"
        )
    if not options.yes and not agrees(f"Point {alias} at version {chosen.version}?"):
        print("Nothing was changed.")
        return 0
    forced = bool(found.objections)
    move = promotions.move_alias(
        name, alias, chosen.version, expected=holder, reason=reason, forced=forced
    )
    print(f"{alias}: {name} version {chosen.version}, {move.describe()}")
    if holder:
        print(f"To go back: squadron rollback {alias} --model {name}")
    return 0


def _show(chosen: "Registered", current: "Registered | None", alias: str, found: "Review") -> None:
    """Prints what is known of a version, and how it compares with the present one."""
    from squadron.commands import _comparison, _versions
    from squadron.registry import evidence
    from squadron.scores.gate_verdict import read_tags
    from squadron.tracking import race_texts

    first = f"version {chosen.version}"
    second = f"version {current.version}" if current else ""
    known = evidence.read_evidence(chosen)
    print(
        _comparison.draw_figures(
            (first, second), known, evidence.read_evidence(current) if current else None
        )
    )
    if found.comparison:
        print("\n".join(_comparison.describe_comparison(found.comparison, first, second)))
    elif found.why_not_compared:  # The person decides by what there is.
        print(race_texts.wrap_line(f"{found.why_not_compared}."))
    print(race_texts.wrap_line(f"Status: {_versions.show_status(chosen)}"))
    verdicts = read_tags(chosen.tags)
    print(race_texts.wrap_line(f"Gates: {_versions.show_verdicts(verdicts)}"))
    print(race_texts.wrap_line(_versions.show_licences(chosen, alias)))
