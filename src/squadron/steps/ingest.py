"""The step ingest: data -> examples of four splits."""

import hashlib
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from squadron import progress, provenance
from squadron.artifacts import read_contexts, write_record, write_table
from squadron.config import Data, digest, from_json
from squadron.data import contamination, locations
from squadron.data.example_table import make_table
from squadron.data.leakage import check_leakage, find_leakage, unify_titles
from squadron.data.question_types import TYPES
from squadron.data.sources import Example, check_source
from squadron.data.split import share_out
from squadron.data.validation import validate_examples
from squadron.data.validation_file import SplitSummary, TrainOnlySummary, Validation
from squadron.data.validation_report import Report, check_rejected_share
from squadron.steps._step import step
from squadron.steps._synthetic import add_synthetic


class _Given(NamedTuple):
    """The valid examples of each kind of file."""

    own: list[Example]
    """From `data.train`, to be split."""
    only: list[Example]
    """From `data.train_only`."""
    test: list[Example]
    """From `data.test`."""


@step
def ingest(*, data: str, examples: Path, digests: str = "") -> None:
    """Reads, validates and splits the data into examples/{train,tune,select,test}.parquet.

    Args:
        data: JSON of config.Data.
        digests: JSON of provenance.Digests; with "", nothing is compared.
        examples: The folder to write, which also gets validation.json.
    """
    settings = from_json(Data, data)
    planned = provenance.read_digests(digests)
    # An unknown source is refused before any file is fetched.
    check_source(settings.source)
    started = time.monotonic()

    report = Report()
    given = _read_files(settings, planned, report)
    own = _without_repeated(given, report)
    check_rejected_share(report, settings.max_rejected_share)

    spellings = unify_titles((*own, *given.only, *given.test))
    shares = share_out(own, given.only, given.test, settings, spellings)
    shares, synthetic = add_synthetic(shares, settings, planned, report)
    leakage = find_leakage(shares.parts, settings, spellings, shares.tied)
    check_leakage(leakage, settings.max_shared_share)

    tables = {name: make_table(part) for name, part in shares.parts.items()}
    made_from = _write_tables(examples, tables)
    validation = Validation(
        made_from=digest(*made_from.values()),
        findings=report.summarise(),
        figures={"seconds_ingest": time.monotonic() - started},
        split_by=settings.split_by,
        splits={
            name: _summarise_split(name, table, made_from[name], settings)
            for name, table in tables.items()
        },
        leakage=leakage.summarise(settings.max_shared_share),
        train_only=TrainOnlySummary(len(given.only), len(given.own) - len(own)),
        synthetic=synthetic,
    )
    write_record(examples / "validation.json", validation)

    for warning in contamination.describe_shared(contamination.read_shared(validation)):
        progress.say(f"ingest     Warning: {warning}")
    for line in report.describe():
        progress.say(f"ingest     {line}")
    leaks = leakage.describe()
    leaks = f"; {leaks}" if leaks else ""
    progress.say(f"ingest     {report.accepted:,} examples: {shares.describe()}{leaks}")


def _read_files(settings: Data, planned: provenance.Digests, report: Report) -> _Given:
    """Fetches all files, checks that they are the planned ones, and validates their examples."""
    with tempfile.TemporaryDirectory() as temporary:

        def read(kind: str, given: Sequence[str]) -> Iterator[Example]:
            for number, location in enumerate(given):
                folder = Path(temporary) / f"{kind}-{number}"
                planned.check_data(location, locations.content_digest(location))
                yield from locations.read_location(settings.source, location, folder)

        return _Given(
            own=validate_examples(read("train", settings.train), report),
            only=validate_examples(read("train_only", settings.train_only), report),
            test=validate_examples(read("test", settings.test), report),
        )


def _without_repeated(given: _Given, report: Report) -> list[Example]:
    """Returns the examples of `data.train` that are not in `data.train_only`.

    A question in both trains once and is never judged. If one id has two different questions, the
    one of `data.train` is reported as rejected.
    """
    asked = {example.id: example.question for example in given.only}
    for example in given.own:
        if asked.get(example.id, example.question) != example.question:
            report.accepted -= 1
            report.unanswerable -= not example.answers
            report.note(report.rejected, "id used twice", example)
    return [example for example in given.own if example.id not in asked]


def _write_tables(examples: Path, tables: Mapping[str, Any]) -> dict[str, str]:
    """Writes the table of each split, and returns the digest of each."""
    made_from = {name: _digest_table(table) for name, table in tables.items()}
    for name, table in tables.items():
        path = examples / f"{name}.parquet"
        write_table(path, table, schema="examples/1", made_from=made_from[name])
    return made_from


def _summarise_split(name: str, table: Any, made_from: str, settings: Data) -> SplitSummary:
    """Returns the entry of a split in validation.json."""
    return SplitSummary(
        examples=table.num_rows,
        titles=tuple(sorted(set(table["title"].to_pylist()))),
        unanswerable=sum(not some for some in table["answers"].to_pylist()),
        reasoning_types=_count_types(table),
        digest=made_from,
        files=_files_of(name, settings),
    )


def _files_of(split: str, settings: Data) -> tuple[str, ...]:
    """Returns the files from which the examples of a split may come."""
    if split == "train":
        return (*settings.train, *settings.train_only, *settings.synthesize.files)
    return settings.test if split == "test" and settings.test else settings.train


def _count_types(table: Any) -> dict[str, dict[str, int]]:
    """Counts the questions of each type, for each source of labels."""
    pairs = list(
        zip(table["label_source"].to_pylist(), table["reasoning_type"].to_pylist(), strict=True)
    )
    return {
        source: {name: pairs.count((source, name)) for name in TYPES}
        for source in sorted({source for source, _ in pairs})
    }


def _digest_table(table: Any) -> str:
    """Returns a digest of the rows of a table, which does not depend on how Parquet stores them.

    A context enters with its own digest, which is computed once for all rows that share it.
    """
    sha256 = hashlib.sha256()
    digest_of: dict[str, str] = {}
    rows = table.drop_columns(["context"]).to_pylist()
    for row, context in zip(rows, read_contexts(table), strict=True):
        if context not in digest_of:
            digest_of[context] = hashlib.sha256(context.encode()).hexdigest()
        row["context"] = digest_of[context]
        sha256.update(json.dumps(row, sort_keys=True).encode())
    return sha256.hexdigest()[:16]
