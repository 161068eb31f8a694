"""The step ingest: data -> examples of four splits."""

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from squadron import progress, storage
from squadron.artifacts import EXAMPLES, write_json, write_table
from squadron.config import SPLITS, Data, digest, from_json
from squadron.errors import InputError
from squadron.question_types import TYPES, guess_type
from squadron.steps._files import JUDGED
from squadron.steps._step import step, timed

logger = logging.getLogger(__name__)


@step
def ingest(*, data: str, race: str, examples: Path) -> None:
    """Reads, validates and splits the data into examples/{train,tune,select,test}.parquet.

    Args:
        data: JSON of config.Data.
        race: JSON of tracking.Race; "" tracks nothing.
        examples: The folder to write; validation.json lies in it too.
    """
    import tempfile

    import pyarrow as pa

    from squadron import tracking
    from squadron.sources import Example, load_source
    from squadron.split import assign_titles, limit_examples
    from squadron.validation import Report, check_rejected_share, validate_examples

    settings = from_json(Data, data)
    source = load_source(settings.source)
    report = Report()
    figures: dict[str, float] = {}
    with timed(figures, "ingest"), tempfile.TemporaryDirectory() as temporary:

        def read(locations: Sequence[str]) -> Iterator[Example]:
            for number, location in enumerate(locations):
                folder = Path(temporary) / f"{len(locations)}-{number}"
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
        splits = settings.splits
        if settings.test:
            from dataclasses import replace

            splits = replace(splits, test=0)
        # With split_by question, an id stands where a title does.
        by_title = settings.split_by == "title"
        group_of = {e.id: e.title if by_title else e.id for e in (*own, *only)}
        trained = {group_of[e.id] for e in only}
        split_of = assign_titles({group_of[e.id] for e in own} - trained, splits, settings.seed)
        parts: dict[str, list[Example]] = {name: [] for name in SPLITS}
        parts["train"] += only
        for example in own:
            parts[split_of.get(group_of[example.id], "train")].append(example)
        if settings.test:
            parts["test"] = given
        shared = {e.context for e in parts["test"]} & {e.context for e in own}
        if settings.test and shared and by_title:
            report.samples["context of test also in train"] = [c[:80] for c in sorted(shared)[:5]]
            logger.warning("%d contexts of the test set are in the training data too", len(shared))
        texts = {e.context for e in only}
        leaks = {name: texts & {e.context for e in parts[name]} for name in JUDGED}
        for name, contexts in leaks.items():
            if contexts and by_title:
                samples = [c[:80] for c in sorted(contexts)[:5]]
                report.samples[f"context of {name} also in train_only"] = samples
                logger.warning("%d contexts of %s are in train_only too", len(contexts), name)
        tables = {}
        for name, part in parts.items():
            limit = getattr(settings, f"max_{name}_examples")
            kept = limit_examples(part, limit, settings.seed)
            if not kept:
                unit = settings.split_by
                raise InputError(
                    f"The split {name!r} is empty: {len(split_of)} {unit}s in "
                    f"{list(settings.train)}{' that are not in train_only' * bool(only)} with "
                    f"data -> splits {asdict(splits)} and seed "
                    f"{settings.seed}; give it more {unit}s, another seed, or a test set of its own"
                    + (", or set data -> split_by: question" if by_title else "")
                )
            tables[name] = pa.Table.from_pylist([_as_row(e) for e in kept], schema=EXAMPLES)
        made_from = {name: _digest_table(table) for name, table in tables.items()}
        for name, table in tables.items():
            path = examples / f"{name}.parquet"
            write_table(path, table, schema="examples/1", made_from=made_from[name])
        content = {
            **report.as_dict(),
            "split_by": settings.split_by,
            "splits": {
                name: {
                    "examples": table.num_rows,
                    "titles": sorted(set(table["title"].to_pylist())),
                    "unanswerable": sum(not a for a in table["answers"].to_pylist()),
                    "reasoning_types": _count_types(table),
                    "digest": made_from[name],
                }
                for name, table in tables.items()
            },
            "contexts_shared_with_test": len(shared) if settings.test else 0,
            "train_only": {
                "examples": len(only),
                "questions_also_in_train": len(both),
                "contexts_shared": {name: len(contexts) for name, contexts in leaks.items()},
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
    parent = tracking.find_parent(tracking.read_race(race))
    for name, table in tables.items():
        files = settings.train
        if name == "train":
            files = (*settings.train, *settings.train_only)
        elif name == "test" and settings.test:
            files = settings.test
        tracking.log_dataset(parent, name, made_from[name], ", ".join(files), name, table.num_rows)
    tracking.log_json(parent, content, "validation.json")
    tracking.log_metrics(parent, figures)


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
