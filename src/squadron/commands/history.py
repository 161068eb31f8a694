"""`squadron history`: who pointed an alias at which version, when and why."""

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from squadron.registry.promotions import Promotion

HELP = "show who promoted what, when and why"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the alias, the model and `--json`."""
    parser.add_argument("alias", help="staging or production")
    parser.add_argument("--model", default="", help="default: the one registered last")
    parser.add_argument("--json", action="store_true", help="one JSON list instead of lines")


def run(options: argparse.Namespace) -> int:
    """Shows all promotions and rollbacks of an alias, the last one first."""
    from squadron import registry
    from squadron.commands import _versions
    from squadron.errors import InputError
    from squadron.registry import promotions, versions

    alias = options.alias
    promotions.check_alias(alias)
    name = registry.choose_model(options.model)
    moves = promotions.read_history(name, alias)[::-1]
    holder = versions.list_aliases(name).get(alias, "")
    if not moves:
        where = (
            f"points at version {holder}, and nothing says who did that" if holder else "is not set"
        )
        raise InputError(
            f"The alias {alias!r} of {name} has no history: no `squadron promote` has moved it. It "
            f"{where}"
        )
    if options.json:
        print(json.dumps([_versions.promotion_as_json(move) for move in moves], indent=1))
        return 0
    print(f"{alias} of {name}")
    print(_draw(moves))
    if holder != moves[0].version:
        now = f"points at version {holder}" if holder else "is not set"
        print(f"Now it {now}; that was done in MLflow, and nothing says by whom.")
    return 0


def _draw(moves: "Sequence[Promotion]") -> str:
    """Returns the moves of an alias as a table."""
    from squadron.registry.promotions import ROLLBACK
    from squadron.tracking import race_texts

    rows = []
    for move in moves:
        what = "rollback" if move.action == ROLLBACK else "forced" if move.forced else "promotion"
        version = f"{move.previous or '-'} -> {move.version}"
        rows.append((move.when, what, version, move.who, move.reason or "-"))
    heads = ("when", "what", "version", "who", "why")
    return race_texts.draw_table(heads, rows, figures=0)
