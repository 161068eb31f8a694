"""The step ingest: data -> examples of four splits."""

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from squadron import progress, provenance, storage
from squadron.artifacts import read_contexts, write_json, write_table
from squadron.config import Data, digest, from_json
from squadron.data import contamination
from squadron.data.question_types import TYPES
from squadron.steps._step import step


@step
def ingest(*, data: str, examples: Path, digests: str = "") -> None:
    """Reads, validates and splits the data into examples/{train,tune,select,test}.parquet.

    Args:
        data: JSON of config.Data.
        digests: JSON of provenance.Digests; "" compares nothing.
        examples: The folder to write; validation.json lies in it too.
    """
    import tempfile

    from squadron.data.example_table import make_table
    from squadron.data.leakage import check_leakage, find_leakage, unify_titles
    from squadron.data.sources import Example, load_source, read_file
    from squadron.data.split import share_out
    from squadron.data.validation import Report, check_rejected_share, validate_examples

    settings = from_json(Data, data)
    planned = provenance.read_digests(digests)
    load_source(settings.source)
    report = Report()
    figures: dict[str, float] = {}
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:

        def read(locations: Sequence[str]) -> Iterator[Example]:
            for number, location in enumerate(locations):
                folder = Path(temporary) / f"{len(locations)}-{number}"
                planned.check_data(location, storage.content_digest(location))
                yield from read_file(settings.source, storage.fetch_file(location, folder))

        own = validate_examples(read(settings.train), report)
        only = validate_examples(read(settings.train_only), report)
        given = validate_examples(read(settings.test), report)
        # A question that both kinds of files have trains, once, and is never judged.
        asked = {e.id: e.question for e in only}
        both = [e for e in own if e.id in asked]
        own = [e for e in own if e.id not in asked]
        for example in both:
            if example.question != asked[example.id]:
                report.accepted -= 1
                report.note(report.rejected, "id used twice", example)
        check_rejected_share(report, settings.max_rejected_share)
        spellings = unify_titles((*own, *only, *given))
        shares = share_out(own, only, given, settings, spellings)
        leakage = find_leakage(shares.parts, settings, spellings, shares.tied)
        check_leakage(leakage, settings.max_shared_share)
        tables = {name: make_table(part) for name, part in shares.parts.items()}
        made_from = {name: _digest_table(table) for name, table in tables.items()}
        for name, table in tables.items():
            path = examples / f"{name}.parquet"
            write_table(path, table, schema="examples/1", made_from=made_from[name])
        figures["seconds_ingest"] = time.monotonic() - started
        content = {
            **report.as_dict(),
            "figures": figures,
            "split_by": settings.split_by,
            "splits": {
                name: {
                    "examples": table.num_rows,
                    "titles": sorted(set(table["title"].to_pylist())),
                    "unanswerable": sum(not a for a in table["answers"].to_pylist()),
                    "reasoning_types": _count_types(table),
                    "digest": made_from[name],
                    "files": _files_of(name, settings),
                }
                for name, table in tables.items()
            },
            "leakage": leakage.as_dict(settings.max_shared_share),
            "train_only": {"examples": len(only), "questions_also_in_train": len(both)},
        }
        write_json(
            examples / "validation.json",
            content,
            schema="validation/1",
            made_from=digest(*made_from.values()),
        )
    for warning in contamination.describe_shared(contamination.read_shared(content)):
        progress.say(f"ingest     Warning: {warning}")
    for line in report.describe():
        progress.say(f"ingest     {line}")
    leaks = leakage.describe()
    leaks = f"; {leaks}" if leaks else ""
    progress.say(f"ingest     {report.accepted:,} examples: {shares.describe()}{leaks}")


def _files_of(split: str, settings: Data) -> list[str]:
    """The files that a split's examples may come from."""
    if split == "train":
        return [*settings.train, *settings.train_only]
    return list(settings.test if split == "test" and settings.test else settings.train)


def _count_types(table: Any) -> dict[str, dict[str, int]]:
    """Questions of each type, by where the label is from."""
    pairs = list(
        zip(table["label_source"].to_pylist(), table["reasoning_type"].to_pylist(), strict=True)
    )
    return {
        source: {name: pairs.count((source, name)) for name in TYPES}
        for source in sorted({source for source, _ in pairs})
    }


def _digest_table(table: Any) -> str:
    """The digest of its rows, not of how Parquet happens to store them.

    A context counts by its own digest, which is computed once however many rows share it.
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
