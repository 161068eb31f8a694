"""Every file that passes from step to step: its schema, how it is written, how it is read back.

Each artifact carries `schema` (its name and version) and `made_from` (a digest of what it was made
from). Readers refuse a file of another schema; writers put a file in place whole or not at all.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from squadron.config.parsing import parse_json
from squadron.errors import InputError

EXAMPLES = pa.schema(
    [
        ("id", pa.string()),
        ("title", pa.string()),
        ("question", pa.string()),
        # Each different context is stored once. `read_contexts` gives them as Python texts.
        ("context", pa.dictionary(pa.int32(), pa.string())),
        # Every accepted answer; none means "not answered here". Characters of `context`.
        ("answers", pa.list_(pa.struct([("text", pa.string()), ("start_char", pa.int32())]))),
        ("reasoning_type", pa.string()),  # one of question_types.TYPES
        ("label_source", pa.string()),  # of the type: "data" or "rules"
    ]
)

WINDOWS = pa.schema(
    [
        ("example_id", pa.string()),
        ("question_ids", pa.large_list(pa.int32())),  # tokens of the question, cut to the limit
        # Tokens of the whole context, stored once however many examples share it. A token has the
        # characters [start, end) of the context; see windows.py about blanks.
        (
            "context",
            pa.dictionary(
                pa.int32(),
                pa.struct(
                    [
                        ("input_ids", pa.large_list(pa.int32())),
                        ("start_chars", pa.large_list(pa.int32())),
                        ("end_chars", pa.large_list(pa.int32())),
                    ]
                ),
            ),
        ),
        # Window w holds the context tokens from w * step on, `room` at most.
        ("room", pa.int32()),
        ("step", pa.int32()),
        ("windows", pa.int32()),  # how many there are
        # The windows that hold the answer, rising, and its first and last token in their input_ids.
        (
            "labels",
            pa.large_list(
                pa.struct(
                    [
                        ("window", pa.int32()),
                        ("start_token", pa.int32()),
                        ("end_token", pa.int32()),
                    ]
                )
            ),
        ),
        ("reasoning_type", pa.int32()),  # its place in question_types.TYPES, -1 for none
    ]
)
"""One row per example: window_table.WindowTable reads the windows out of it."""

CUT_WINDOWS = pa.schema(
    [
        ("example_id", pa.string()),
        ("window", pa.int32()),  # number within its example, from 0
        ("input_ids", pa.list_(pa.int32())),
        # Characters [start, end) of each context token, in the example's context.
        ("start_chars", pa.list_(pa.int32())),
        ("end_chars", pa.list_(pa.int32())),
        # Positions in input_ids, inclusive.
        ("context_start", pa.int32()),
        ("context_end", pa.int32()),
        # The answer's first and last token; (0, 0), the null token, where it is not in the window.
        ("start_token", pa.int32()),
        ("end_token", pa.int32()),
        ("reasoning_type", pa.int32()),  # its place in question_types.TYPES, -1 for none
    ]
)
"""One row per window, which only memory holds: what `WindowTable.expand` gives."""

CANDIDATES = pa.schema(
    [
        ("example_id", pa.string()),
        ("window", pa.int32()),
        ("rank", pa.int32()),  # within its window, from 0
        ("start_char", pa.int32()),
        ("end_char", pa.int32()),
        ("score", pa.float32()),  # log-odds against the no-answer hypothesis of its own window
        ("null_score", pa.float32()),  # the window's own no-answer score, as the model gives it
    ]
)

WINDOW_TYPES = pa.schema(
    [
        ("example_id", pa.string()),
        ("window", pa.int32()),
        ("log_probabilities", pa.list_(pa.float32())),  # of question_types.TYPES, in that order
    ]
)

SCORES = pa.schema(
    [
        ("id", pa.string()),
        ("paragraph", pa.int64()),  # questions of one paragraph have the same number
        ("title", pa.int64()),  # questions of one title have the same number
        ("exact", pa.float64()),  # 0 or 1
        ("f1", pa.float64()),  # 0 to 1
    ]
)

BREAKDOWN = pa.schema(
    [
        ("group", pa.string()),  # one of breakdown.GROUPS
        ("value", pa.string()),  # the part of the group that the row is about
        ("questions", pa.int64()),
        ("exact", pa.float64()),  # 0 to 100, as all below
        ("exact_low", pa.float64()),  # of the 95 % interval; null where there are too few
        ("exact_high", pa.float64()),
        ("f1", pa.float64()),
        ("f1_low", pa.float64()),
        ("f1_high", pa.float64()),
    ]
)

EXTENTS = pa.schema(
    [
        ("example_id", pa.string()),
        ("window", pa.int32()),
        # Characters [start, end) of the example's context that the window holds.
        ("start_char", pa.int32()),
        ("end_char", pa.int32()),
    ]
)

ERRORS = pa.schema(
    [
        ("id", pa.string()),
        ("question", pa.string()),
        ("golds", pa.list_(pa.string())),  # none: nothing answers it
        ("answer", pa.string()),  # "": abstained
        ("score", pa.float64()),  # of the best candidate, -inf where there is none
        ("kind", pa.string()),  # one of error_kinds.KINDS
        ("excerpt", pa.string()),  # of the context
        # Characters [start, end) of the excerpt, -1 for none; of gold answers the nearest one.
        ("answer_start", pa.int32()),
        ("answer_end", pa.int32()),
        ("gold_start", pa.int32()),
        ("gold_end", pa.int32()),
    ]
)


MODEL_ABOUT = "variant.json"
"""In a model folder: the contender, its training, and the sha256 of every file."""
MODEL_SCHEMA = "model/1"
ANSWERING = "answering.json"
"""In a registered model folder: how it answers (answering.Answering), as evaluation found."""


MOST_TEXT_BYTES = 2**31 - 1
"""Of the different contexts of a split: Parquet counts the bytes of a page in 32 bits."""

PART_ROWS = 65_536
"""Rows of a table that is read part by part."""


@dataclass(frozen=True)
class Artifact:
    """What a file says about itself."""

    schema: str
    made_from: str


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Gives a temporary sibling to write to; it takes the name `path` only if nothing was raised.

    Raises:
        InputError: If the folder can't be written to, or something else stands in the way.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        yield temporary
        temporary.replace(path)
    except PermissionError as error:
        raise InputError(
            f"No permission to write {error.filename or path}; allow it or choose another folder"
        ) from None
    except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
        raise InputError(
            f"The file {path} can't be written: {error.filename2 or error.filename} is in the way "
            f"({error.strerror}); move it or choose another folder"
        ) from None
    finally:
        with contextlib.suppress(OSError, UnboundLocalError):
            temporary.unlink(missing_ok=True)


def read_contexts(examples: pa.Table) -> list[str]:
    """The context of each example, as few texts as there are different contexts.

    Args:
        examples: Of schema `EXAMPLES`.
    """
    contexts: list[str] = []
    for chunk in examples["context"].chunks:
        texts = chunk.dictionary.to_pylist()
        contexts += [texts[place] for place in chunk.indices.to_pylist()]
    return contexts


def encode_contexts(contexts: Sequence[str]) -> pa.DictionaryArray:
    """The column `context` of schema `EXAMPLES`, which holds each different context once.

    Raises:
        InputError: If the different contexts are too much text for one table.
    """
    places: dict[str, int] = {}
    indices = [places.setdefault(context, len(places)) for context in contexts]
    size = sum(len(context.encode()) for context in places)
    if size > MOST_TEXT_BYTES:
        raise InputError(
            f"The {len(places):,} different contexts of one split have {size:,} bytes, at most "
            f"{MOST_TEXT_BYTES:,} can be stored; give less data or lower data -> "
            "max_train_examples"
        )
    return pa.DictionaryArray.from_arrays(
        pa.array(indices, pa.int32()), pa.array(list(places), pa.string())
    )


def write_table(path: Path, table: pa.Table, *, schema: str, made_from: str) -> None:
    """Writes a Parquet table with its schema name and origin in the metadata."""
    about = {"squadron.schema": schema, "squadron.made_from": made_from}
    with written_whole(path) as temporary:
        pq.write_table(
            table.replace_schema_metadata(about),
            temporary,
            compression="zstd",
            # Above the limit, Parquet would write a text again for every row that has it.
            dictionary_pagesize_limit=MOST_TEXT_BYTES,
        )


@contextlib.contextmanager
def written_in_parts(
    path: Path, columns: pa.Schema, *, schema: str, made_from: str
) -> Iterator[Callable[[pa.Table], None]]:
    """Gives a function that adds rows to a Parquet table, for tables that grow with the windows."""
    about = {"squadron.schema": schema, "squadron.made_from": made_from}
    with (
        written_whole(path) as temporary,
        pq.ParquetWriter(temporary, columns.with_metadata(about)) as writer,
    ):
        yield lambda rows: writer.write_table(rows.replace_schema_metadata(about))


def read_table(path: Path, *, schema: str, made_from: str | None = None) -> pa.Table:
    """Reads a Parquet table.

    Raises:
        InputError: If it is missing, torn, of another schema, or made from something else than
            `made_from` (where given).
    """
    if not path.is_file():
        raise InputError(f"The file {path} does not exist; run the step that makes it")
    try:
        table = pq.read_table(path, memory_map=True)
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"The file {path} is not a readable Parquet file: {error}") from None
    _check(path, _about(table.schema), schema, made_from)
    return table


def read_parts(path: Path, *, schema: str, made_from: str | None = None) -> Iterator[pa.Table]:
    """Reads a Parquet table part by part, for tables that grow with the number of windows.

    Columns of text come dictionary-encoded, which is small and quick where it repeats.

    Raises:
        InputError: As `read_table`, when the first part is asked for; if the file turns out to be
            torn further on, there.
    """
    if not path.is_file():
        raise InputError(f"The file {path} does not exist; run the step that makes it")
    try:
        with pq.ParquetFile(path) as file:
            names = [field.name for field in file.schema_arrow if field.type == pa.string()]
            _check(path, _about(file.schema_arrow), schema, made_from)
        with pq.ParquetFile(path, read_dictionary=names) as file:
            for batch in file.iter_batches(PART_ROWS):
                yield pa.Table.from_batches([batch])
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"The file {path} is not a readable Parquet file: {error}") from None


def write_json(path: Path, content: dict[str, Any], *, schema: str, made_from: str) -> None:
    """Writes a JSON object, `schema` and `made_from` first."""
    with written_whole(path) as temporary:
        text = json.dumps(
            {"schema": schema, "made_from": made_from, **content}, indent=1, ensure_ascii=False
        )
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path, *, schema: str, made_from: str | None = None) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        InputError: If it is missing, not JSON, of another schema or made from something else.
    """
    try:
        content = parse_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"The file {path} does not exist; run the step that makes it") from None
    except (OSError, ValueError) as error:
        raise InputError(f"The file {path} is not readable JSON: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"The file {path} is not a JSON object")
    _check(
        path, Artifact(content.get("schema", ""), content.get("made_from", "")), schema, made_from
    )
    return content


def write_official(path: Path, content: Iterable[tuple[str, Any]]) -> None:
    """JSON in the official layout: ids at the top, no schema beside them; one after the other."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        separator = "{"
        for name, value in content:
            file.write(f"{separator}{encode(name)}: {encode(value)}")
            separator = ", "
        file.write("}" if separator == ", " else "{}")


def write_windows(path: Path, table: pa.Table, *, about: dict[str, str]) -> None:
    """Writes windows as an uncompressed Arrow file, so that readers can memory-map it.

    Args:
        path: The file.
        table: Of schema `WINDOWS`.
        about: Further metadata.
    """
    with written_whole(path) as temporary:
        schema = table.schema.with_metadata({"squadron.schema": "windows/2", **about})
        with pa.OSFile(str(temporary), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
            writer.write_table(table.replace_schema_metadata(schema.metadata))


def read_windows(path: Path) -> pa.Table:
    """Memory-maps windows: nothing is read before it is touched.

    Raises:
        InputError: If the file is missing, torn or of another schema.
    """
    if not path.is_file():
        raise InputError(f"The file {path} does not exist; run the step that makes it")
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (pa.ArrowInvalid, OSError) as error:
        raise InputError(f"The file {path} is not a readable Arrow file: {error}") from None
    about = table.schema.metadata or {}
    schema = about.get(b"squadron.schema", b"").decode()
    _check(path, Artifact(schema, ""), "windows/2", None)
    return table


def _about(schema: pa.Schema) -> Artifact:
    """What the metadata of a table says."""
    about = {k.decode(): v.decode() for k, v in (schema.metadata or {}).items()}
    return Artifact(about.get("squadron.schema", ""), about.get("squadron.made_from", ""))


def _check(path: Path, found: Artifact, schema: str, made_from: str | None) -> None:
    if found.schema != schema:
        raise InputError(
            f"The file {path} has schema {found.schema or 'none'!r}, {schema!r} is needed; "
            "make it again with this version"
        )
    if made_from is not None and found.made_from != made_from:
        raise InputError(
            f"The file {path} was made from {found.made_from!r}, not from {made_from!r}; "
            "it belongs to another run"
        )
