"""`squadron promote`: points an alias at a version, after a person has agreed."""

import argparse

from squadron.errors import InputError

HELP = "point an alias at a version, after showing its figures"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the version, the alias, the model and `--yes`."""
    parser.add_argument("version", help="a number or an alias")
    parser.add_argument("--to", required=True, choices=["staging"], help="the alias")
    parser.add_argument("--model", default="", help="default: the one registered last")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(options: argparse.Namespace) -> int:
    """Shows a version's figures and points an alias at it."""
    from squadron import registry

    name = options.model or registry.latest_model()
    chosen = registry.find_version(name, options.version)
    print(f"{chosen.name} version {chosen.version}")
    for key, value in sorted(chosen.tags.items()):
        print(f"  {key:24} {value}")
    if chosen.tags.get("validation_status") == "demo":
        print("This version comes from a demo: its figures rank nothing.")
    if not options.yes and not _agrees(f"Point alias {options.to!r} at it? [y/N] "):
        print("Nothing was changed.")
        return 0
    previous = registry.promote(name, chosen.version, options.to)
    print(f"{options.to}: {name} version {chosen.version}")
    if previous:
        print(f"Before it was version {previous}. To go back:")
        print(f"  squadron promote {previous} --model {name} --to {options.to}")
    return 0


def _agrees(prompt: str) -> bool:
    try:
        return input(prompt).strip().lower() in ("y", "yes")
    except EOFError:
        raise InputError("There is nobody to ask; add --yes to promote without asking") from None
