"""The step passages: documents, and contexts of the data -> passages that can be found."""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from squadron import progress, provenance, storage
from squadron.artifacts import read_contexts, read_parts, write_record, write_table
from squadron.config import Documents, digest, from_json
from squadron.documents.cutting import CutSettings, cut_passages
from squadron.documents.document import Refusal
from squadron.documents.passage_table import make_context_passages, make_table
from squadron.documents.passages import Passage
from squadron.errors import InputError
from squadron.requirements import SEARCH_DOCUMENTS, require_packages
from squadron.steps._step import step
from squadron.wording import counted, join_words

TABLE = "passages.parquet"


@dataclass(frozen=True)
class AboutPassages:
    """The content of documents.json: what became passages, and what did not."""

    SCHEMA: ClassVar[str] = "documents/1"

    made_from: str
    files: int
    """Files that were read."""
    pages: int
    """Their pages."""
    passages: int
    """All passages, those of contexts included."""
    contexts: int
    """Passages that are contexts of the data."""
    refused: dict[str, str] = field(default_factory=dict)
    """File -> why it was not read."""
    figures: dict[str, float] = field(default_factory=dict)


@step
def passages(*, documents: str, examples: Path, passages: Path, digests: str = "") -> None:
    """Cuts documents into passages, and takes contexts of the data as passages.

    A file that can't be read is named and left out.

    Args:
        documents: JSON of config.Documents.
        examples: As ingest wrote them.
        passages: The folder to write: passages.parquet and documents.json.
        digests: JSON of provenance.Digests; with "", nothing is compared.

    Raises:
        InputError: If a document has other content than when the race was planned, or if there is
            no passage.
    """
    settings = from_json(Documents, documents)
    require_packages(SEARCH_DOCUMENTS, "Documents need")
    started = time.monotonic()
    reading = _Reading(settings, provenance.read_digests(digests))
    found = list(reading.read())
    from_files = len(found)
    taken = {passage.document for passage in found}
    for passage in make_context_passages(_read_pairs(settings, examples)):
        if passage.document in taken:
            raise InputError(
                f"documents -> files: the file {passage.document} has the name of a title of the "
                "data, whose contexts are passages, too; give the file another name"
            )
        found.append(passage)
    if not found:
        raise InputError(
            "documents: there is no passage, because the documents have no text that can be read; "
            "give other documents, or take contexts of the data with documents.contexts"
        )
    made_from = digest(*(passage.id for passage in found))
    write_table(passages / TABLE, make_table(found), schema="passages/1", made_from=made_from)
    about = AboutPassages(
        made_from=made_from,
        files=reading.files,
        pages=reading.pages,
        passages=len(found),
        contexts=len(found) - from_files,
        refused=reading.refused,
        figures={"seconds_passages": time.monotonic() - started},
    )
    write_record(passages / "documents.json", about)
    progress.say(f"passages   {_describe(about)}")


class _Reading:
    """Reads the documents of a race and counts them."""

    def __init__(self, settings: Documents, planned: provenance.Digests) -> None:
        self._settings, self._planned = settings, planned
        self.files = self.pages = 0
        self.refused: dict[str, str] = {}

    def read(self) -> Iterator[Passage]:
        """Yields the passages of all documents."""
        # It needs packages that only documents need.
        from squadron.documents.reading import read_fetched

        settings = self._settings
        cut = CutSettings(sentences=settings.sentences, overlap=settings.overlap)
        with tempfile.TemporaryDirectory() as temporary:
            paths = {}
            for number, location in enumerate(settings.files):
                self._planned.check_data(location, storage.content_digest(location))
                paths[storage.fetch(location, Path(temporary) / str(number))] = location
            for read in read_fetched(paths):
                if isinstance(read, Refusal):
                    self._note(read)
                    continue
                self.files += 1
                self.pages += len(read.pages)
                yield from cut_passages(read, cut)

    def _note(self, refusal: Refusal) -> None:
        self.refused[refusal.name] = refusal.reason
        if not refusal.is_skipped:
            progress.say(f"passages   Warning: {refusal.reason}")


def _read_pairs(settings: Documents, examples: Path) -> Iterator[tuple[str, str]]:
    """Yields title and context of all questions of the chosen splits."""
    for split in settings.contexts:
        path = examples / f"{split}.parquet"
        for part in read_parts(path, schema="examples/1", columns=("title", "context")):
            yield from zip(part["title"].to_pylist(), read_contexts(part), strict=True)


def _describe(about: AboutPassages) -> str:
    parts = []
    if about.files:
        pages = counted(about.pages, "page")
        parts.append(f"{counted(about.files, 'document')} ({pages})")
    if about.contexts:
        parts.append(f"{counted(about.contexts, 'context')} of the data")
    line = f"{counted(about.passages, 'passage')} of {join_words(parts)}"
    if not about.refused:
        return line
    return f"{line}; left out: {counted(len(about.refused), 'file')}, see documents.json"
