"""The step ingest: data -> examples of four splits."""

import hashlib
import json
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from squadron import progress, provenance, storage
from squadron.artifacts import EXAMPLES, write_json, write_table
from squadron.config import Data, digest, from_json
from squadron.question_types import TYPES, guess_type
from squadron.steps._record import record_examples
from squadron.steps._step import step

if TYPE_CHECKING:
    from squadron.split import Shared
    from squadron.validation import Report

logger = logging.getLogger(__name__)


@step
def ingest(*, data: str, examples: Path, digests: str = "") -> None:
    """Reads, validates and splits the data into examples/{train,tune,select,test}.parquet.

    Args:
        data: JSON of config.Data.
        digests: JSON of provenance.Digests; "" compares nothing.
        examples: The folder to write; validation.json lies in it too.
    """
    import tempfile

    import pyarrow as pa

    from squadron import tracking
    from squadron.sources import Example, load_source
    from squadron.split import find_shared, share_out
    from squadron.validation import Report, check_rejected_share, validate_examples

    settings = from_json(Data, data)
    planned = provenance.read_digests(digests)
    source = load_source(settings.source)
    report = Report()
    figures: dict[str, float] = {}
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:

        def read(locations: Sequence[str]) -> Iterator[Example]:
            for number, location in enumerate(locations):
                folder = Path(temporary) / f"{len(locations)}-{number}"
                planned.check_data(location, storage.content_digest(location))
                yield from source.read_examples(storage.fetch_file(location, folder))

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
        parts = share_out(own, only, given, settings)
        shared = find_shared(parts, own, only, settings)
        _note_shared(shared, report, settings)
        tables = {
            name: pa.Table.from_pylist([_as_row(e) for e in part], schema=EXAMPLES)
            for name, part in parts.items()
        }
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
            "contexts_shared_with_test": len(shared.with_test),
            "train_only": {
                "examples": len(only),
                "questions_also_in_train": len(both),
                "contexts_shared": {name: len(c) for name, c in shared.with_train_only.items()},
            },
        }
        write_json(
            examples / "validation.json",
            content,
            schema="validation/1",
            made_from=digest(*made_from.values()),
        )
    rejected = f", {report.rejected.total()} rejected" if report.rejected else ""
    sizes = ", ".join(f"{name} {table.num_rows:,}" for name, table in tables.items())
    progress.say(f"ingest     {report.accepted:,} examples{rejected}: {sizes}")
    record_examples(tracking.address_run(tracking.current_race()), examples)


def _files_of(split: str, settings: Data) -> list[str]:
    """The files that a split's examples may come from."""
    if split == "train":
        return [*settings.train, *settings.train_only]
    return list(settings.test if split == "test" and settings.test else settings.train)


def _note_shared(shared: "Shared", report: "Report", settings: Data) -> None:
    """Warns of contexts that are judged and trained on, unless they are shared by design."""
    if settings.split_by != "title":
        return
    found = {"context of test also in train": shared.with_test}
    for name, contexts in shared.with_train_only.items():
        found[f"context of {name} also in train_only"] = contexts
    for name, contexts in found.items():
        if contexts:
            report.samples[name] = [context[:80] for context in contexts[:5]]
            logger.warning("%s: %d", name, len(contexts))


def _as_row(example: Any) -> dict[str, Any]:
    return {
        "id": example.id,
        "title": example.title,
        "question": example.question,
        "context": example.context,
        "answers": [{"text": a.text, "start_char": a.start_char} for a in example.answers],
        "reasoning_type": example.reasoning_type or guess_type(example.question),
        "label_source": "data" if example.reasoning_type else "rules",
    }


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
    """Of its rows, not of how Parquet happens to store them."""
    sha256 = hashlib.sha256()
    for row in table.to_pylist():
        sha256.update(json.dumps(row, sort_keys=True).encode())
    return sha256.hexdigest()[:16]
