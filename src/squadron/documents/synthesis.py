"""Makes synthetic examples from the documents of some files and folders."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from squadron.data.sources import Example
from squadron.documents.cutting import cut_passages
from squadron.documents.document import Refusal
from squadron.documents.questions import METHODS
from squadron.documents.reading import read_fetched


@dataclass
class Synthesis:
    """The examples that were made, and what became of each file."""

    examples: list[Example] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    """Names of the documents that were read, in their order."""
    refused: dict[str, str] = field(default_factory=dict)
    """Name of a file -> why it was not read. Files of other kinds in a folder are not listed."""
    notes: list[str] = field(default_factory=list)
    """One sentence for everything that was left out of a document that was read."""
    passages: int = 0
    """Passages of all documents."""
    left_out: int = 0
    """Passages from which nothing was made, because `is_left_out` said so."""


def make_synthesis(
    paths: Mapping[Path, str], methods: Sequence[str], is_left_out: Callable[[str], bool]
) -> Synthesis:
    """Reads documents and makes examples from their passages.

    A file that can't be read ends nothing; the others go on.

    Args:
        paths: File or folder -> the location that it was fetched from, as its user knows it.
        methods: Names of METHODS.
        is_left_out: Called with the text of each passage. If it returns True, nothing is made from
            the passage.
    """
    made = Synthesis()
    for found in read_fetched(paths):
        if isinstance(found, Refusal):
            if not found.is_skipped:
                made.refused[found.name] = found.reason
            continue
        made.documents.append(found.name)
        made.notes += found.notes
        passages = cut_passages(found)
        kept = [passage for passage in passages if not is_left_out(passage.text)]
        made.passages += len(passages)
        made.left_out += len(passages) - len(kept)
        for method in dict.fromkeys(methods):
            made.examples += METHODS[method](kept, "en")
    return made
