"""`squadron rollback`: points an alias at the version that it pointed at before."""

import argparse

HELP = "point an alias at the version before, any number of steps back"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the alias, the model and whether to ask."""
    parser.add_argument("alias", help="staging or production")
    parser.add_argument("--model", default="", help="default: the one registered last")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--reason", default="", metavar="TEXT", help="why, for the history")


def run(options: argparse.Namespace) -> int:
    """Points an alias at the version that it pointed at before the last promotion.

    A second rollback goes one step further back. A rollback is recorded like a promotion.
    """
    from squadron import registry
    from squadron.commands import _comparison
    from squadron.commands._consent import agrees
    from squadron.registry import evidence, promotions, rollback

    alias = options.alias
    promotions.check_alias(alias)
    reason = promotions.check_reason(options.reason)
    name = registry.choose_model(options.model)
    holder = promotions.find_holder(name, alias)
    target = rollback.find_earlier(name, alias)
    print(f"{alias} of {name}: version {holder} -> {target.version}")
    now = registry.find_version(name, holder)
    labels = f"version {target.version}", f"version {holder}"
    known = evidence.read_evidence(target), evidence.read_evidence(now)
    print(_comparison.draw_figures(labels, *known))
    if not options.yes and not agrees(f"Point {alias} back at version {target.version}?"):
        print("Nothing was changed.")
        return 0
    move = promotions.move_alias(
        name, alias, target.version, expected=holder, action=promotions.ROLLBACK, reason=reason
    )
    print(f"{alias}: {name} version {target.version}, {move.describe()}")
    return 0
