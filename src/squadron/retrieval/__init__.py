"""Finds passages that may answer a question, in an index of documents in LanceDB.

Owns the vectors of texts, the index, how it is built from documents, the search, and its recall.
Who reads what was found belongs to the callers. May import scores and what is below it. Loading
this package loads neither torch nor LanceDB. Others use the names in `__all__`.
"""

from squadron.retrieval.building import Built, build_index, group_passages
from squadron.retrieval.changes import Changes
from squadron.retrieval.encoder import FIRST_TOKEN, MEAN, POOLINGS, Encoder, TextEncoder
from squadron.retrieval.fusion import RANK_CONSTANT
from squadron.retrieval.index import Document, PassageIndex
from squadron.retrieval.index_record import IndexRecord, IndexSettings
from squadron.retrieval.recall import PLACES, RightPassages, measure_recall
from squadron.retrieval.search import (
    HYBRID,
    METHODS,
    ORIGINAL,
    Found,
    find_passages,
    find_passages_of_each,
)

__all__ = [
    "FIRST_TOKEN",
    "HYBRID",
    "MEAN",
    "METHODS",
    "ORIGINAL",
    "PLACES",
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
    "RightPassages",
    "TextEncoder",
    "build_index",
    "find_passages",
    "find_passages_of_each",
    "group_passages",
    "measure_recall",
]
