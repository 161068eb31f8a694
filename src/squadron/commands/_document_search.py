"""The search of `squadron ask` and `squadron serve` in an index, in all documents or in one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from squadron.errors import InputError
from squadron.requirements import SEARCH_DOCUMENTS, require_packages

if TYPE_CHECKING:
    from squadron.retrieval import Found, PassageIndex

MOST_NAMES = 10
"""How many documents an error lists."""


def open_index(place: str) -> "PassageIndex":
    """Opens an index.

    Raises:
        InputError: If there is none, or a package that reads it is missing.
    """
    require_packages(SEARCH_DOCUMENTS, "Documents need")
    from squadron.retrieval import PassageIndex, TextEncoder

    return PassageIndex.open(place, TextEncoder())


class DocumentSearch:
    """Finds the passages for questions. It is an `open_domain.Search`.

    Args:
        index: The index.
        top_k: The most passages per question.
        document: As for `narrow`.

    Raises:
        InputError: As `narrow`.
    """

    def __init__(self, index: "PassageIndex", top_k: int, document: str = "") -> None:
        self._index, self._top_k = index, top_k
        self.document = ""
        """The only document that is searched; "" for all."""
        self.narrow(document)

    def __call__(self, questions: Sequence[str]) -> "list[list[Found]]":
        """Returns the passages of each question, best first."""
        from squadron.retrieval import find_passages_of_each

        return find_passages_of_each(
            self._index, questions, top_k=self._top_k, document=self.document
        )

    def narrow(self, document: str) -> None:
        """Searches one document alone from now on.

        Args:
            document: Its name, or a part of its name that no other document has; "" for all
                documents.

        Raises:
            InputError: If no document or several have this in their names.
        """
        self.document = self._find(document) if document else ""

    def _find(self, document: str) -> str:
        names = sorted(self._index.documents())
        if document in names:
            return document
        some = [name for name in names if document.casefold() in name.casefold()]
        if len(some) == 1:
            return some[0]
        listed = ", ".join((some or names)[:MOST_NAMES])
        more = ", ..." if len(some or names) > MOST_NAMES else ""
        what = f"{len(some)} documents have" if some else "No document of the index has"
        raise InputError(f"{what} {document!r} in the name; name one of: {listed}{more}")
