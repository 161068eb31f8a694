"""`squadron compare`: two registered versions side by side."""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from squadron.data.sources import AUTO, list_sources

if TYPE_CHECKING:
    from squadron.registry import Registered
    from squadron.registry.comparison import Answered, Comparison
    from squadron.registry.evidence import Evidence

HELP = "show two versions side by side, and what one alone answers"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the two versions, their model, the file and `--json`."""
    parser.add_argument("first", metavar="A", help="a number or an alias")
    parser.add_argument("second", metavar="B", help="a number or an alias")
    parser.add_argument("--model", default="", help="default: the one registered last")
    parser.add_argument(
        "--data",
        default="",
        metavar="FILE",
        help="questions with their answers, which both versions answer now; a path or any place "
        "that `squadron evaluate` reads",
    )
    parser.add_argument(
        "--source",
        default="squad",
        choices=[AUTO, *list_sources()],
        help="how the file is laid out",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")


def run(options: argparse.Namespace) -> int:
    """Shows the figures of two versions, and compares their answers question by question.

    The answers are those of the races that registered the versions. They can be compared only if
    both races judged on the same select split. With --data, both versions answer a file instead.
    """
    from squadron import registry
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
    found, why_not = None, ""
    if options.data:
        known, answered = _answer(first, second, options.data, options.source)
        found = comparison.compare_answers(*answered)
    else:
        known = evidence.read_evidence(first), evidence.read_evidence(second)
        try:
            found = comparison.compare_versions(first, second)
        except InputError as error:
            why_not = f"{error}."
    if options.json:
        print(json.dumps(_as_dict(first, second, known, found, why_not), indent=1))
    else:
        print(f"{name}\n{_show(first, second, known, found, options.data or 'select')}")
        if why_not:
            print(race_texts.wrap_line(why_not))
    return 0


def _answer(
    first: "Registered", second: "Registered", data: str, source: str
) -> "tuple[tuple[Evidence, Evidence], tuple[Answered, Answered]]":
    """Lets two versions answer the questions of a file.

    Warns if one of them was trained on titles or questions of the file.

    Returns:
        The figures of each version on the file, and the answers of each.
    """
    from squadron.commands._libraries import silence_libraries
    from squadron.commands._seen import describe_seen

    silence_libraries()
    from squadron import judging
    from squadron.data import locations
    from squadron.registry import open_model
    from squadron.registry.comparison import Answered
    from squadron.registry.evidence import Evidence

    with tempfile.TemporaryDirectory() as temporary:
        file = locations.fetch(data, Path(temporary) / "data")
        examples, _ = judging.read_file(file, source)
    known, answered = [], []
    for version in (first, second):
        with open_model(version.uri) as opened:
            warning = describe_seen(judging.find_seen(opened.folder, examples), data)
            if warning:
                print(f"Warning about version {version.version}: {warning}", file=sys.stderr)
            judgement = judging.judge_examples(opened.load_reader(), examples)
        figures = {name: judgement.figures.estimate(name) for name in ("exact_match", "f1")}
        known.append(Evidence(figures, ""))
        errors = judging.find_errors(examples, judgement)
        answered.append(Answered(judgement.judged.scores, errors))
    return (known[0], known[1]), (answered[0], answered[1])


def _show(
    first: "Registered",
    second: "Registered",
    known: "tuple[Evidence, Evidence]",
    found: "Comparison | None",
    of: str,
) -> str:
    """Returns the table of two versions and, if there is one, their comparison."""
    from squadron.commands import _comparison

    labels = f"version {first.version}", f"version {second.version}"
    lines = [_comparison.draw_figures(labels, *known)]
    if found:
        lines += _comparison.describe_comparison(found, *labels, of)
    return "\n".join(lines)


def _as_dict(
    first: "Registered",
    second: "Registered",
    known: "tuple[Evidence, Evidence]",
    found: "Comparison | None",
    why_not: str,
) -> dict[str, object]:
    """Returns two versions and their comparison as JSON values."""
    from squadron.commands import _comparison

    return {
        "model": first.name,
        "versions": [first.version, second.version],
        "figures": [_comparison.figures_as_json(each) for each in known],
        "comparison": _comparison.comparison_as_json(found) if found else None,
        "why_not": why_not,
    }
