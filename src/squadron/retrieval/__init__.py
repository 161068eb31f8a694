"""Finds passages that may answer a question, in an index of documents in LanceDB.

Owns the vectors of texts, the index, how it is built from documents, and the search. Who reads what
was found belongs to the callers. May import documents, models and
what is below them. Loading this package loads neither torch nor LanceDB. Others use the names in
`__all__`.
"""

from squadron.retrieval.building import Built, build_index
from squadron.retrieval.changes import Changes
from squadron.retrieval.encoder import FIRST_TOKEN, MEAN, POOLINGS, Encoder, TextEncoder
from squadron.retrieval.fusion import RANK_CONSTANT
from squadron.retrieval.index import Document, PassageIndex
from squadron.retrieval.index_record import IndexRecord, IndexSettings
from squadron.retrieval.search import (
    HYBRID,
    METHODS,
    Found,
    find_passages,
    find_passages_of_each,
)

__all__ = [
    "FIRST_TOKEN",
    "HYBRID",
    "MEAN",
    "METHODS",
    "POOLINGS",
    "RANK_CONSTANT",
    "Built",
    "Changes",
    "Document",
    "Encoder",
    "Found",
    "IndexRecord",
    "IndexSettings",
    "PassageIndex",
    "TextEncoder",
    "build_index",
    "find_passages",
    "find_passages_of_each",
]
