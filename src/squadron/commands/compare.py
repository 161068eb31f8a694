"""`squadron compare`: two registered versions side by side."""

import argparse
import json

HELP = "show two versions side by side, and what one alone answers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the two versions, their model and `--json`."""
    parser.add_argument("first", metavar="A", help="a number or an alias")
    parser.add_argument("second", metavar="B", help="a number or an alias")
    parser.add_argument("--model", default="", help="default: the one registered last")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")


def run(options: argparse.Namespace) -> int:
    """Shows the figures of two versions, and compares their answers question by question.

    The answers are those of the races that registered the versions. They can be compared only if
    both races judged on the same select split.
    """
    from squadron import registry
    from squadron.commands import _comparison
    from squadron.errors import InputError
    from squadron.registry import comparison, evidence
    from squadron.tracking import race_texts

    name = registry.choose_model(options.model)
    first, second = (registry.find_version(name, each) for each in (options.first, options.second))
    if first.version == second.version:
        raise InputError(
            f"Both {options.first!r} and {options.second!r} are {name} version {first.version}; "
            "give two versions"
        )
    known = evidence.read_evidence(first), evidence.read_evidence(second)
    found, why_not = None, ""
    try:
        found = comparison.compare_versions(first, second)
    except InputError as error:
        why_not = f"{error}."
    if options.json:
        row = {
            "model": name,
            "versions": [first.version, second.version],
            "figures": [_comparison.figures_as_json(each) for each in known],
            "comparison": _comparison.comparison_as_json(found) if found else None,
            "why_not": why_not,
        }
        print(json.dumps(row, indent=1))
        return 0
    labels = f"version {first.version}", f"version {second.version}"
    print(f"{name}\n{_comparison.draw_figures(labels, *known)}")
    if found:
        print("\n".join(_comparison.describe_comparison(found, *labels)))
    else:
        print(race_texts.wrap_line(why_not))
    return 0
