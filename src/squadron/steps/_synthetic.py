"""Makes synthetic examples for the split train, as `data.synthesize` asks for them."""

import importlib
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from squadron import progress, provenance
from squadron.config import Data
from squadron.data import locations
from squadron.data.leakage import JUDGED
from squadron.data.overlap import WordRuns
from squadron.data.sources import Example
from squadron.data.split import Shares, limit_examples
from squadron.data.validation import validate_examples
from squadron.data.validation_file import SyntheticSummary
from squadron.data.validation_report import Report, show
from squadron.errors import InputError
from squadron.requirements import READ_DOCUMENTS, require_packages

if TYPE_CHECKING:
    from types import ModuleType

    from squadron.documents.synthesis import Synthesis

SHOWN = 20
"""Maximum number of refused files that ingest prints; validation.json lists all."""


def add_synthetic(
    shares: Shares, settings: Data, planned: provenance.Digests, report: Report
) -> tuple[Shares, SyntheticSummary]:
    """Adds synthetic examples to the split train, and returns what was made from what.

    Args:
        shares: The splits without synthetic examples.
        settings: The settings of ingest. If `synthesize` names no files, nothing is added.
        planned: The digests that the documents must have.
        report: Counts the synthetic examples like all others.

    Raises:
        InputError: If no document can be read, if no question comes out, or if a file can't be
            fetched or is not the planned one.
    """
    wanted = settings.synthesize
    if not wanted.files:
        return shares, SyntheticSummary()
    judged = WordRuns(each.context for name in JUDGED for each in shares.parts[name])
    made = _read_documents(settings, planned, judged)
    _say_refused(made)
    if not made.documents:
        raise InputError(
            "data -> synthesize -> files: none of the documents can be read"
            f"{''.join(f'; {show(reason)}' for reason in list(made.refused.values())[:1])}"
        )
    # A question of an earlier race that is among the data is asked once.
    known = {each.id for part in shares.parts.values() for each in part}
    new = [each for each in made.examples if each.id not in known]
    kept = validate_examples(limit_examples(new, wanted.max_examples, settings.seed), report)
    if not kept:
        raise InputError(
            f"data -> synthesize: {' and '.join(wanted.methods)} made no question from the "
            f"documents (passages: {made.passages:,}; left out because they are very short or "
            f"share text with tune, select or test: {made.left_out:,}); give other documents or "
            "methods, or take the section out"
        )
    train = [*shares.parts["train"], *kept]
    available = {**shares.available, "train": shares.available["train"] + len(kept)}
    summary = _summarise(made, kept, len(new))
    progress.say(f"ingest     {summary.describe(len(train))}")
    return replace(shares, parts={**shares.parts, "train": train}, available=available), summary


def _read_documents(settings: Data, planned: provenance.Digests, judged: WordRuns) -> "Synthesis":
    """Fetches the documents, checks that they are the planned ones, and makes examples."""
    synthesis = _load_synthesis()
    paths = {}
    with tempfile.TemporaryDirectory() as temporary:
        for number, location in enumerate(settings.synthesize.files):
            planned.check_data(location, locations.content_digest(location))
            paths[locations.fetch(location, Path(temporary) / str(number))] = location
        made = synthesis.make_synthesis(paths, settings.synthesize.methods, judged.overlaps)
        return cast("Synthesis", made)


def _load_synthesis() -> "ModuleType":
    """Imports the module that reads documents, by its name.

    So a race without `synthesize` does not depend on how documents are read; `launch.plan` adds the
    module to the digests of the others (docs/decisions/what-a-step-depends-on.md).

    Raises:
        InputError: If a package of the extra `documents` is missing.
    """
    require_packages(READ_DOCUMENTS, "data -> synthesize needs")
    return importlib.import_module("squadron.documents.synthesis")


def _say_refused(made: "Synthesis") -> None:
    """Prints a sentence for each file, or part of one, that was not read."""
    sentences = [*made.refused.values(), *made.notes]
    for sentence in sentences[:SHOWN]:
        progress.say(f"ingest     Warning: {show(sentence)}")
    if len(sentences) > SHOWN:
        more = len(sentences) - SHOWN
        progress.say(f"ingest     Warning: {more:,} more such sentences are in validation.json")


def _summarise(made: "Synthesis", kept: Sequence[Example], available: int) -> SyntheticSummary:
    """Returns the entry `synthetic` of validation.json."""
    of_documents: Mapping[str, int] = Counter(each.title for each in kept)
    return SyntheticSummary(
        questions=len(kept),
        available=available,
        methods=dict(sorted(Counter(each.id.split(":")[1] for each in kept).items())),
        documents={name: of_documents.get(name, 0) for name in made.documents},
        passages=made.passages,
        passages_left_out=made.left_out,
        refused=made.refused,
        notes=tuple(made.notes),
    )
