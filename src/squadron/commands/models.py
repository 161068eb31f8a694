"""`squadron models`: lists the registered versions."""

import argparse
import json

HELP = "list the registered versions with figures, verdicts and aliases"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the name of the model and `--json`."""
    parser.add_argument("name", nargs="?", default="", help="of a model; default: all models")
    parser.add_argument("--json", action="store_true", help="one JSON list instead of lines")


def run(options: argparse.Namespace) -> int:
    """Lists the versions of the registered models, the last one first.

    The figures are of the race that registered the version, 0 to 100, with 95 % intervals. Compare
    versions with `squadron compare`, because races may judge on different questions.
    """
    from squadron.commands import _versions
    from squadron.registry import catalogue

    rows = catalogue.read_catalogue(options.name)
    if options.json:
        print(json.dumps([_versions.version_as_json(row) for row in rows], indent=1))
        return 0
    shown = ""
    for row in rows:
        if row.version.name != shown:
            print(("\n" if shown else "") + row.version.name)
            shown = row.version.name
        print("\n".join(_versions.describe_version(row)))
    if not rows:
        print("There is no version.")
    return 0
