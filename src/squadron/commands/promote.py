"""`squadron promote`: points an alias at a version, after a person has seen what it replaces."""

import argparse
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from squadron.registry import Registered
    from squadron.registry.evidence import Evidence
    from squadron.registry.promotions import Promotion
    from squadron.registry.review import Review

HELP = "point an alias at a version, after a comparison with the present one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the version, the alias, the model, the other registry, and how sure the person is."""
    parser.add_argument("version", help="a number or an alias")
    parser.add_argument("--to", required=True, choices=["staging", "production"], help="the alias")
    parser.add_argument("--model", default="", help="default: the one registered last")
    parser.add_argument(
        "--to-registry",
        default="",
        metavar="URI",
        help="copy the version to this MLflow store, and point the alias there at the copy",
    )
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
    from squadron.registry import evidence, promotions

    reason = promotions.check_reason(options.reason if options.force is None else options.force)
    if options.force is not None and not reason:
        raise InputError("--force needs a reason, which is recorded; give one in a few words")
    name, alias, elsewhere = registry.choose_model(options.model), options.to, options.to_registry
    shown = _check_registry(elsewhere)
    where = f" in {shown}" if shown else ""
    chosen = registry.find_version(name, options.version)
    with _store(elsewhere):
        holder = promotions.find_holder(name, alias)
        current = registry.find_version(name, holder) if holder else None
        current_known = evidence.read_evidence(current) if current else None
    if current and _is_same(chosen, current, elsewhere):
        print(f"{alias} of {name}{where} is version {holder} already{_of_copy(chosen, elsewhere)}.")
        return 0
    print(
        f"{alias} of {name}{where}: {f'version {holder}' if holder else 'no version'} -> "
        + (f"a copy of version {chosen.version} of this store" if elsewhere else chosen.version)
    )
    found = _review(chosen, current, alias, elsewhere)
    _show(chosen, current, current_known, alias, found)
    if found.objections and options.force is None:
        raise InputError(
            f"{name} version {chosen.version} is not promoted: {'; '.join(found.objections)}. To "
            "promote it all the same, add --force REASON; the reason is recorded"
        )
    question = f"Copy version {chosen.version} to {shown}, and point" if elsewhere else "Point"
    target = "the copy" if elsewhere else f"version {chosen.version}"
    if not options.yes and not agrees(f"{question} {alias} at {target}?"):
        print("Nothing was changed.")
        return 0
    move = _move(chosen, alias, holder, reason, bool(found.objections), elsewhere)
    print(f"{alias}{where}: {name} version {move.version}, {move.describe()}")
    if holder:
        prefix = f"MLFLOW_TRACKING_URI={shown} " if elsewhere else ""
        print(f"To go back: {prefix}squadron rollback {alias} --model {name}")
    return 0


def _check_registry(uri: str) -> str:
    """Returns the other store as it may be shown; "" if none is given.

    Raises:
        InputError: If it is the present store.
    """
    from squadron import tracking
    from squadron.errors import InputError
    from squadron.uris import hide_secrets

    shown = hide_secrets(uri)
    if uri and shown.rstrip("/") == tracking.shown_store().rstrip("/"):
        raise InputError(
            f"--to-registry: {shown} is the store of this version itself; leave --to-registry out"
        )
    return shown


def _store(uri: str) -> contextlib.AbstractContextManager[None]:
    """Returns a context in which the other store is used; the present one stays for ""."""
    from squadron import tracking

    return tracking.use_store(uri) if uri else contextlib.nullcontext()


def _is_same(chosen: "Registered", current: "Registered", elsewhere: str) -> bool:
    """Says whether the alias points at the version, or at its copy elsewhere, already."""
    from squadron.registry import copying

    if elsewhere:
        return copying.is_copy(current, chosen)
    return chosen.version == current.version


def _of_copy(chosen: "Registered", elsewhere: str) -> str:
    return f", the copy of version {chosen.version} of this store" if elsewhere else ""


def _review(
    chosen: "Registered", current: "Registered | None", alias: str, elsewhere: str
) -> "Review":
    """Returns what speaks against the promotion, with the present version of the right store."""
    from squadron.errors import InputError
    from squadron.registry import comparison, review

    answered = None
    if elsewhere and current:
        with contextlib.suppress(InputError):  # The comparison then says that it can't be made.
            answered = comparison.fetch_answered(chosen)
    with _store(elsewhere):
        return review.review_promotion(chosen, current, alias, answered)


def _move(
    chosen: "Registered", alias: str, holder: str, reason: str, forced: bool, elsewhere: str
) -> "Promotion":
    """Points the alias at the version, which is copied first if the alias is elsewhere."""
    from squadron.registry import copying, promotions

    number = chosen.version
    if elsewhere:
        copied = copying.copy_version(chosen, elsewhere)
        number = copied.version
        print(f"Copied to version {number}; its files were read back and are equal.")
    with _store(elsewhere):
        return promotions.move_alias(
            chosen.name, alias, number, expected=holder, reason=reason, forced=forced
        )


def _show(
    chosen: "Registered",
    current: "Registered | None",
    current_known: "Evidence | None",
    alias: str,
    found: "Review",
) -> None:
    """Prints what is known of a version, and how it compares with the present one."""
    from squadron.commands import _comparison, _versions
    from squadron.registry import evidence
    from squadron.scores.gate_verdict import read_tags
    from squadron.tracking import race_texts

    first = f"version {chosen.version}"
    second = f"version {current.version}" if current else ""
    if first == second:  # They are in two stores.
        first, second = f"{first} here", f"{second} there"
    known = evidence.read_evidence(chosen)
    print(_comparison.draw_figures((first, second), known, current_known))
    if found.comparison:
        print("\n".join(_comparison.describe_comparison(found.comparison, first, second)))
    elif found.why_not_compared:  # The person decides by what there is.
        print(race_texts.wrap_line(f"{found.why_not_compared}."))
    print(race_texts.wrap_line(f"Status: {_versions.show_status(chosen)}"))
    verdicts = read_tags(chosen.tags)
    print(race_texts.wrap_line(f"Gates: {_versions.show_verdicts(verdicts)}"))
    print(race_texts.wrap_line(_versions.show_licences(chosen, alias)))
