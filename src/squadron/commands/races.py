"""`squadron races`: lists, compares and prunes the races of the MLflow store."""

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from squadron.tracking.races import RaceRow

HELP = "list, compare or prune the races that MLflow knows"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the actions list, compare and prune. Without an action, the races are listed."""
    parser.set_defaults(action=_list)
    actions = parser.add_subparsers(metavar="{list,compare,prune}")
    listing = actions.add_parser("list", help="all races, the last one first (the default)")
    listing.set_defaults(action=_list)
    comparing = actions.add_parser("compare", help="two races side by side")
    text = "name or key of a race, or the name of an experiment for its last race"
    comparing.add_argument("first", metavar="A", help=text)
    comparing.add_argument("second", metavar="B", help=text)
    comparing.set_defaults(action=_compare)
    pruning = actions.add_parser("prune", help="delete races without a result from MLflow")
    pruning.add_argument("--yes", action="store_true", help="delete them; otherwise only list them")
    pruning.set_defaults(action=_prune)


def run(options: argparse.Namespace) -> int:
    """Lists the races of the MLflow store, compares two of them, or deletes those that failed."""
    return int(options.action(options))


def _list(options: argparse.Namespace) -> int:
    from squadron.tracking import race_texts, races

    print(race_texts.draw_list(races.read_races()))
    return 0


def _compare(options: argparse.Namespace) -> int:
    from squadron.tracking import race_comparison, races

    known = races.read_races()
    pair = [races.find_race(known, wanted) for wanted in (options.first, options.second)]
    print(race_comparison.draw_comparison(*pair))
    return 0


def _prune(options: argparse.Namespace) -> int:
    import contextlib

    from squadron.runs_folder import places, runs_lock
    from squadron.tracking import races

    with contextlib.ExitStack() as stack:
        if options.yes and places.RUNS.is_dir():
            # The lock keeps a race from starting while its runs are deleted.
            stack.enter_context(runs_lock.hold(places.RUNS, "squadron races prune"))
            is_used = False
        else:
            is_used = bool(runs_lock.find_holder(places.RUNS))
        known = races.read_races()
        # In a store that many machines use, a race may still run on another machine.
        found = races.choose_prunable(known, running_stay=is_used or not races.is_local_store())
        if options.yes:
            races.delete_races(found)
    _say_pruned(found, done=options.yes)
    return 0


def _say_pruned(found: "list[RaceRow]", done: bool) -> None:
    from squadron.tracking import race_texts

    if not found:
        print("Every race has a result or still runs; none can go.")
        return
    count = "One race" if len(found) == 1 else f"{len(found):,} races"
    print(f"{count} without a result {'deleted from MLflow' if done else 'can go'}:")
    print(race_texts.draw_prunable(found))
    if done:
        print("`mlflow runs restore --run-id ID` brings a run back until `mlflow gc` is called.")
    else:
        print("Nothing was deleted. To delete: squadron races prune --yes")
