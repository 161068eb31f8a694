"""`squadron clean`: removes files in runs/ that no later race needs."""

import argparse

from squadron.errors import InputError

HELP = "say what runs/ holds that nobody needs, and remove it"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds `--yes`, without which nothing is removed, and `--keep`."""
    parser.add_argument("--yes", action="store_true", help="remove it; otherwise only say it")
    parser.add_argument(
        "--keep",
        type=int,
        default=1,
        metavar="N",
        help="finished races of each experiment whose steps stay in the cache; default: 1",
    )


def run(options: argparse.Namespace) -> int:
    """Says what can be removed from runs/, or removes it.

    MLflow's store, reports and registered models stay.
    """
    from squadron.runs_folder import cleanup, places, runs_lock

    if options.keep < 0:
        raise InputError(f"--keep: {options.keep} is not allowed; 0 or more races can be kept")
    folder = places.RUNS
    if not folder.is_dir():
        print(f"There is no folder {folder.resolve()}; nothing can go.")
        return 0
    if options.yes:
        with runs_lock.hold(folder, "squadron clean"):
            plan = cleanup.plan_cleanup(folder, options.keep)
            cleanup.remove(plan)
        print(cleanup.describe(plan, done=True))
        return 0
    print(cleanup.describe(cleanup.plan_cleanup(folder, options.keep), done=False))
    holder = runs_lock.find_holder(folder)
    if holder:
        print(f"It can only be removed when {holder} has ended.")
    return 0
