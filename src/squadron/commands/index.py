"""`squadron index`: makes documents ready for `squadron ask`."""

import argparse
from typing import TYPE_CHECKING

from squadron.commands._libraries import silence_libraries
from squadron.errors import InputError
from squadron.requirements import SEARCH_DOCUMENTS, require_packages
from squadron.runs_folder import places
from squadron.wording import counted

if TYPE_CHECKING:
    from squadron.documents.document import Document
    from squadron.retrieval import Built

HELP = "make an index of documents for `squadron ask`"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the documents, the place of the index, and how documents are cut into passages."""
    parser.add_argument(
        "documents", nargs="+", help="PDF, Markdown, HTML and text files, and folders of them"
    )
    parser.add_argument(
        "--to",
        default=str(places.RUNS / places.INDEX),
        metavar="PLACE",
        help="a folder or s3://bucket/prefix; default: %(default)s",
    )
    parser.add_argument(
        "--sentences", type=int, default=5, metavar="N", help="sentences of a passage; default: 5"
    )
    parser.add_argument(
        "--overlap", type=int, default=1, metavar="N", help="of them also in the one before; 1"
    )


def run(options: argparse.Namespace) -> int:
    """Makes an index hold exactly the given documents.

    A second call reads only documents that are new or have changed, and removes those that are not
    given any more. Files that can't be read are named, and the others go on. The exit code is 1 if
    a file that was named can't be read, or no document is left.
    """
    silence_libraries()
    require_packages(SEARCH_DOCUMENTS, "Documents need")
    built = _build(options)
    record = built.record
    print(
        f"{options.to} holds {counted(record.documents, 'document')} in "
        f"{counted(record.passages, 'passage')}: "
        f"{len(built.changed):,} new or changed, {len(built.unchanged):,} unchanged, "
        f"{len(built.removed):,} removed"
    )
    print(f'Next: squadron ask "your question"{_where(options.to)}')
    failed = [each for each in built.refused if not each.is_skipped]
    return 1 if failed or not record.documents else 0


def _build(options: argparse.Namespace) -> "Built":
    """Builds or updates the index, and says what is read and what is refused."""
    from squadron.documents.cutting import CutSettings
    from squadron.progress import say
    from squadron.retrieval import TextEncoder, build_index

    try:
        settings = CutSettings(sentences=options.sentences, overlap=options.overlap)
    except ValueError as error:
        raise InputError(str(error)) from None
    encoder = TextEncoder(title="passages")
    return build_index(
        options.documents,
        options.to,
        encoder,
        settings=settings,
        on_document=lambda document: say(_describe(document)),
        on_refusal=lambda refusal: say(refusal.reason),
    )


def _describe(document: "Document") -> str:
    """Returns one line about a document that was read."""
    pages = counted(len(document.pages), "page")
    return " ".join((f"read {document.name}, {pages}", *(f"({note})" for note in document.notes)))


def _where(place: str) -> str:
    """Returns the option of `squadron ask` that names an index, "" for the default."""
    return "" if place == str(places.RUNS / places.INDEX) else f" --index {place}"
