"""Builds an index from files and folders of documents, and keeps it up to date."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from squadron import provenance, storage
from squadron.config import digest, to_json
from squadron.documents.cutting import CutSettings, cut_passages
from squadron.documents.document import Document as ReadDocument
from squadron.documents.document import Refusal
from squadron.documents.limits import Limits
from squadron.documents.passages import Passage
from squadron.documents.reading import read_documents
from squadron.retrieval.changes import Changes
from squadron.retrieval.encoder import FIRST_TOKEN, MEAN, Encoder
from squadron.retrieval.index import Document, PassageIndex
from squadron.retrieval.index_record import IndexRecord

POOLINGS = (MEAN, FIRST_TOKEN)
"""One pass of the encoder gives both; the second is the one of the original system."""


@dataclass(frozen=True)
class Built:
    """What was done to an index."""

    record: IndexRecord
    """What the index holds now."""
    changed: tuple[str, ...]
    """Documents that are new or were replaced."""
    unchanged: tuple[str, ...]
    """Documents that the index held already, with the same content."""
    removed: tuple[str, ...]
    """Documents that the index held and that are not given any more."""
    refused: tuple[Refusal, ...]
    """Files that were not read, with the reason. A document that the index held stays in it."""


def build_index(
    paths: Sequence[str | Path],
    place: str,
    encoder: Encoder,
    *,
    settings: CutSettings | None = None,
    limits: Limits | None = None,
    on_document: Callable[[ReadDocument], None] = lambda document: None,
    on_refusal: Callable[[Refusal], None] = lambda refusal: None,
) -> Built:
    """Makes an index hold exactly the given documents.

    Files that the index holds with the same content are not read again.

    Args:
        paths: Files and folders.
        place: The index: a folder, which need not exist, or an ``s3://`` prefix.
        encoder: The encoder of the passages.
        settings: How documents are cut into passages.
        limits: What reading one file may cost.
        on_document: Called with each document that was read.
        on_refusal: Called with each file that is not read.

    Raises:
        InputError: If the index can't be read or written, or was built with other settings.
    """
    settings = settings or CutSettings()
    index = PassageIndex.open_or_create(
        place, encoder, poolings=POOLINGS, passage_settings=to_json(settings)
    )
    # Another way to read or to cut documents gives other passages.
    code = provenance.code_digest(("documents.worker", "documents.cutting"))
    held = index.documents()
    digests: dict[str, str] = {}

    def is_known(name: str, path: Path) -> bool:
        digests[name] = digest(storage.content_digest(str(path)), code)
        return held.get(name) == digests[name]

    refused: list[Refusal] = []
    documents: list[Document] = []
    for read in read_documents(paths, limits, is_known):
        if isinstance(read, Refusal):
            refused.append(read)
            on_refusal(read)
        else:
            on_document(read)
            passages = tuple(cut_passages(read, settings))
            documents.append(Document(read.name, digests[read.name], passages))
    changes = Changes.between(held, digests)
    record = index.update(documents, changes.missing)
    return Built(
        record,
        tuple(sorted(each.name for each in documents)),
        changes.unchanged,
        changes.missing,
        tuple(refused),
    )


def group_passages(passages: Iterable[Passage]) -> list[Document]:
    """Returns the documents of some passages, for `PassageIndex.update`.

    A document's digest is made of its passages.
    """
    by_document: dict[str, list[Passage]] = {}
    for passage in passages:
        by_document.setdefault(passage.document, []).append(passage)
    return [
        Document(name, digest(*(each.id for each in some)), tuple(some))
        for name, some in by_document.items()
    ]
