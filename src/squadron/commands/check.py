"""`squadron check`: reads data, validates them and shows what was found."""

import argparse
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from squadron.data.sources import find_sources, list_sources, read_file
from squadron.errors import InputError

if TYPE_CHECKING:
    from squadron.data.sources import Example
    from squadron.data.validation_file import Check

HELP = "check data: what a race would repair, reject or doubt"
SAMPLES = 2
MIN_WIDTH, MAX_WIDTH = 60, 120
EXIT_CODE_REJECTED = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the files and the options for reading and output."""
    parser.add_argument(
        "data", nargs="+", metavar="DATA", help="paths, s3:// or hf:// locations, as one data set"
    )
    parser.add_argument(
        "--source",
        default="",
        choices=list_sources(),
        help="how the files are laid out; by default, what they look like",
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=SAMPLES,
        metavar="N",
        help=f"the most samples of each reason, 0 to 5 ({SAMPLES} by default)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object with all samples")


def run(options: argparse.Namespace) -> int:
    """Shows what a race would repair, reject or doubt in data, and writes nothing.

    The exit code is 0 if a race with default settings would take the data, 1 if too many questions
    would be rejected or none is left, and 2 if the data can't be read.
    """
    check = _check(options.data, options.source)
    if options.json:
        from squadron.artifacts import to_content

        print(json.dumps(to_content(check), indent=1, ensure_ascii=False))
    else:
        from squadron.reports.check_page import render_check

        width = max(MIN_WIDTH, min(MAX_WIDTH, shutil.get_terminal_size((80, 24)).columns))
        print(render_check(check, width, max(0, options.samples)))
    return 0 if check.is_usable else EXIT_CODE_REJECTED


def _check(given: Sequence[str], source: str) -> "Check":
    """Reads and validates all files as one data set.

    Raises:
        InputError: If a file can't be read, or its layout is unknown.
    """
    import tempfile

    from squadron.config import Data, digest
    from squadron.data import locations
    from squadron.data.validation import validate_examples
    from squadron.data.validation_file import Check, CheckedFile
    from squadron.data.validation_report import Report, show

    files: list[CheckedFile] = []
    report = Report()
    with tempfile.TemporaryDirectory() as temporary:

        def read() -> "Iterator[Example]":
            for number, location in enumerate(given):
                path = locations.fetch(location, Path(temporary) / str(number))
                layout = source or _recognize(path, location)
                files.append(CheckedFile(show(location), layout))
                for example in read_file(layout, path):
                    # The path of a download would mean nothing to a reader.
                    example.where = example.where.replace(str(path), location, 1)
                    yield example

        examples = validate_examples(read(), report)
        return Check(
            made_from=digest(*map(locations.content_digest, given)),
            files=tuple(files),
            findings=report.summarise(),
            reasoning_types=_count_types(examples),
            max_rejected_share=Data.max_rejected_share,
        )


def _recognize(path: Path, location: str) -> str:
    """Returns the source that a file looks like.

    Raises:
        InputError: If it looks like none, or like several.
    """
    found = find_sources(path)
    if len(found) == 1:
        return found[0]
    what = f"several layouts, {found}" if found else "no layout that is known"
    raise InputError(
        f"The data file {location} looks like {what}; choose one with --source: {list_sources()}"
    )


def _count_types(examples: "Sequence[Example]") -> dict[str, dict[str, int]]:
    """Counts the questions of each type, for each source of labels that there is."""
    from collections import Counter

    from squadron.data.question_types import TYPES, guess_type

    counts: dict[str, Counter[str]] = {"data": Counter(), "rules": Counter()}
    for example in examples:
        label = example.reasoning_type
        counts["data" if label else "rules"][label or guess_type(example.question)] += 1
    return {
        source: {name: found[name] for name in TYPES} for source, found in counts.items() if found
    }
