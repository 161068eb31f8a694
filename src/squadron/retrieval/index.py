"""An index of passages: vectors and full text of documents, in a folder or S3 prefix.

Each update is one commit of LanceDB. A process that is killed leaves the index as it was before or
after its update, and readers never see half of one. Two processes may update one index at once: in
a folder they take turns by a lock, and in S3 the later commit is tried again on the earlier one.

Vectors of all passages are compared with the question, which takes milliseconds for thousands of
passages.
"""

import contextlib
import logging
import random
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from squadron import storage
from squadron.artifacts import write_record
from squadron.config import digest, to_json
from squadron.documents.passages import Passage
from squadron.errors import InputError
from squadron.retrieval import lance_table
from squadron.retrieval.changes import Changes
from squadron.retrieval.encoder import MEAN, Encoder
from squadron.retrieval.index_record import IndexRecord, IndexSettings
from squadron.runs_folder import runs_lock

logger = logging.getLogger(__name__)

RECORD = "index.json"
"""The file with the IndexRecord in the folder of a local index. Nothing here reads it."""
_KEPT_VERSIONS = timedelta(days=1)
"""How long files of earlier versions stay, for processes that still read them."""
"""How often an update is written if another process adds the same documents to S3 each time."""


@dataclass(frozen=True)
class Document:
    """A document to be indexed."""

    name: str
    """The `document` of its passages."""
    digest: str
    """Digest of its content. A document with the digest that the index knows is not read again."""
    passages: tuple[Passage, ...]


class PassageIndex:
    """An index that exists. `open` and `open_or_create` make it.

    Args:
        place: The folder or the ``s3://`` prefix.
        table: The table of LanceDB.
        settings: The settings of the table.
        encoder: An encoder with the fingerprint of the settings.

    Raises:
        InputError: If the index was built with another encoder.
    """

    def __init__(self, place: str, table: Any, settings: IndexSettings, encoder: Encoder) -> None:
        if settings.encoder_fingerprint != encoder.fingerprint:
            raise InputError(
                f"The index {place} was built with the encoder {settings.encoder!r} "
                f"({settings.encoder_fingerprint}), not with {encoder.name!r} "
                f"({encoder.fingerprint}); use that encoder, or build another index"
            )
        self.place = place
        self.table = table
        self.settings = settings
        self.encoder = encoder

    @classmethod
    def open(cls, place: str, encoder: Encoder) -> "PassageIndex":
        """Opens an index to search it.

        Raises:
            InputError: If there is none, it can't be read, or another encoder built it.
        """
        opened = lance_table.open_table(place)
        if opened is None:
            raise InputError(f"There is no index in {place}; build it, or name another place")
        return cls(place, *opened, encoder)

    @classmethod
    def open_or_create(
        cls,
        place: str,
        encoder: Encoder,
        *,
        poolings: Sequence[str] = (MEAN,),
        passage_settings: str = "",
    ) -> "PassageIndex":
        """Opens an index to update it, or creates an empty one.

        Args:
            place: A folder, which need not exist, or an ``s3://`` prefix.
            encoder: The encoder of the passages.
            poolings: The kinds of vectors of each passage; one forward pass makes all of them.
            passage_settings: How the documents are cut into passages, as text (JSON).

        Raises:
            InputError: If the place can't be read or written, or an index is there that was built
                with another encoder or other settings.
        """
        opened = lance_table.open_table(place)
        if opened is None:
            (vectors,) = encoder.encode(["size"], (MEAN,)).values()
            settings = IndexSettings(
                encoder.name,
                encoder.fingerprint,
                tuple(poolings),
                passage_settings,
                vectors.shape[1],
            )
            with _held(place):
                opened = lance_table.open_table(place) or lance_table.create_table(place, settings)
        index = cls(place, *opened, encoder)
        found = index.settings
        for name, old, new in (
            ("passages", found.passage_settings, passage_settings),
            ("vectors", list(found.poolings), list(poolings)),
        ):
            if old != new:
                raise InputError(
                    f"The index {place} was built with other {name}: {old!r}, not {new!r}; use "
                    "those settings, or build another index"
                )
        return index

    def documents(self) -> dict[str, str]:
        """Returns the digest of each document in the index.

        The digest is "" if two processes wrote the same document to S3 at the same moment and both
        versions are there. The next update replaces it. This also lets searches with this object
        see what other processes have written since it was opened.
        """
        with lance_table.sentences(self.place, "read"):
            self.table.checkout_latest()
        return _read_digests(self._read_columns("document", "document_digest", "id"))

    def find_changes(self, digests: Mapping[str, str]) -> Changes:
        """Compares documents with those of the index.

        Args:
            digests: The digest of each document by its name.
        """
        return Changes.between(self.documents(), digests)

    def update(self, documents: Sequence[Document], removed: Collection[str] = ()) -> IndexRecord:
        """Adds new documents, replaces changed ones and removes others, in one commit.

        Documents that the index already holds with the same digest are not encoded again. In
        changed documents, only passages with a new text are encoded. Documents that are not named
        stay as they are.

        Args:
            documents: New, changed or unchanged documents.
            removed: Names of documents to remove; a name that the index does not hold is ignored.

        Returns:
            What the index holds afterwards.

        Raises:
            InputError: If the index can't be written.
            ValueError: If a document is given twice or is also to be removed, if a passage belongs
                to another document, or if two passages have one id.
        """
        _check(documents, removed)
        held = self.documents()
        fresh = [document for document in documents if held.get(document.name) != document.digest]
        names = [document.name for document in fresh] + [name for name in removed if name in held]
        rows = self._make_rows(fresh, [name for name in names if name in held])
        with _held(self.place), lance_table.sentences(self.place, "written"):
            lance_table.add_full_text(self.table)
            self._write(rows, names)
            self._tidy()
            record = self.describe()
            if not storage.is_remote(self.place):
                write_record(Path(self.place, RECORD), record)
        return record

    def describe(self) -> IndexRecord:
        """Returns what the index holds.

        Raises:
            InputError: If it can't be read.
        """
        rows = self._read_columns("document", "document_digest", "id")
        lines = sorted(zip(*(rows[name].to_pylist() for name in rows.column_names), strict=True))
        content = digest(*("\0".join(line) for line in lines))
        return IndexRecord(
            made_from=digest(to_json(self.settings), content),
            settings=self.settings,
            documents=len({line[0] for line in lines}),
            passages=len(lines),
            content_digest=content,
        )

    def _make_rows(self, documents: Sequence[Document], replaced: Sequence[str]) -> pa.Table:
        """Returns the rows of all passages, with vectors."""
        rows = [
            lance_table.to_row(passage, document.digest)
            for document in documents
            for passage in document.passages
        ]
        texts = [str(row[lance_table.SEARCHED]) for row in rows]
        known = self._read_vectors(replaced) if texts else {}
        unknown = list(dict.fromkeys(text for text in texts if text not in known))
        if unknown:
            encoded = self.encoder.encode(unknown, self.settings.poolings)
            known |= {
                text: {name: vectors[row] for name, vectors in encoded.items()}
                for row, text in enumerate(unknown)
            }
        schema = self.table.schema
        plain = pa.schema([f for f in schema if f.name not in self.settings.poolings])
        table = pa.Table.from_pylist(rows, schema=plain)
        for name in self.settings.poolings:
            size = self.settings.dimension
            vectors = np.array([known[text][name] for text in texts], np.float32).reshape(-1)
            column = pa.FixedSizeListArray.from_arrays(pa.array(vectors, pa.float32()), size)
            table = table.append_column(schema.field(name), column)
        return table

    def _read_vectors(self, documents: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Returns the vectors of all texts in some documents of the index."""
        if not documents:
            return {}
        poolings = self.settings.poolings
        where = lance_table.is_one_of("document", documents)
        rows = self._read_columns(lance_table.SEARCHED, *poolings, where=where)
        vectors = {
            name: rows[name].combine_chunks().flatten().to_numpy().reshape(rows.num_rows, -1)
            for name in poolings
        }
        texts = rows[lance_table.SEARCHED].to_pylist()
        return {text: {p: vectors[p][row] for p in poolings} for row, text in enumerate(texts)}

    def _read_columns(self, *names: str, where: str = "") -> pa.Table:
        with lance_table.sentences(self.place, "read"):
            query = self.table.search().select(list(names))
            return (query.where(where) if where else query).to_arrow()

    def _write(self, rows: pa.Table, names: Sequence[str]) -> None:
        """Replaces all passages of some documents by these rows.

        In S3 there is no lock. If another process adds the same documents at the same moment, both
        versions are there afterwards. Then all their passages are deleted and these rows are
        written again, so that readers miss the documents for a moment.
        """
        doubled = self._find_doubled(names)
        for attempt in range(lance_table.MOST_ATTEMPTS):
            if doubled:
                self.table.delete(lance_table.is_one_of("document", doubled))
            if names:
                self._replace(rows, names)
            doubled = self._find_doubled(names)
            if not doubled:
                return
            # The other process does the same. By chance, one of them waits longer.
            time.sleep(random.uniform(0, 0.2 * 2**attempt))

    def _find_doubled(self, names: Sequence[str]) -> list[str]:
        """Returns those of some documents that two processes added at the same moment."""
        held = self.documents()
        return [name for name in names if held.get(name) == ""]

    def _replace(self, rows: pa.Table, names: Sequence[str]) -> None:
        """Replaces all passages of some documents by these rows, in one commit."""
        merge = self.table.merge_insert("id").when_matched_update_all()
        merge = merge.when_not_matched_insert_all()
        condition = lance_table.is_one_of("document", names)
        merge.when_not_matched_by_source_delete(condition).execute(rows)

    def _tidy(self) -> None:
        """Adds new passages to the full-text index, joins small files, deletes old versions.

        All searches are right without it, only slower. So nothing is lost if it fails, such as when
        another process changes the table in S3 at the same moment.
        """
        try:
            self.table.optimize(cleanup_older_than=_KEPT_VERSIONS)
        except (OSError, RuntimeError, ValueError) as error:
            logger.info("The index %s is not tidied up now: %s", self.place, error)


@contextlib.contextmanager
def _held(place: str) -> Iterator[None]:
    """Holds the lock of a local index, which another process may hold for seconds."""
    if storage.is_remote(place):
        yield
        return
    folder = Path(place)
    with lance_table.sentences(place, "written"):
        folder.mkdir(parents=True, exist_ok=True)

    def wait(holder: str) -> None:
        logger.info("The index %s is in use by %s; waiting", place, holder)

    with runs_lock.hold(folder, f"an update of the index {folder.name}", wait):
        yield


def _read_digests(rows: pa.Table) -> dict[str, str]:
    """Returns the digest of each document; "" for a document with two versions."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    columns = (rows[name].to_pylist() for name in ("document", "document_digest", "id"))
    for document, value, passage in zip(*columns, strict=True):
        is_twice = (document, passage) in seen or found.get(document, value) != value
        found[document] = "" if is_twice else value
        seen.add((document, passage))
    return found


def _check(documents: Sequence[Document], removed: Collection[str]) -> None:
    names = [document.name for document in documents] + list(removed)
    if len(set(names)) < len(names):
        raise ValueError("A document is given twice, or is both given and removed.")
    ids = [passage.id for document in documents for passage in document.passages]
    if len(set(ids)) < len(ids):
        raise ValueError("Two passages have the same id.")
    for document in documents:
        if any(passage.document != document.name for passage in document.passages):
            raise ValueError(f"A passage of another document is given for {document.name!r}.")
