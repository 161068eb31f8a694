"""Finds passages that may answer a question, in an index of documents in LanceDB.

Owns the vectors of texts, the index and the search. Which documents are indexed, how they are cut
into passages and who reads what was found belong to the callers. May import documents, models and
what is below them. Loading this package loads neither torch nor LanceDB. Others use the names in
`__all__`.
"""

from squadron.retrieval.encoder import FIRST_TOKEN, MEAN, POOLINGS, Encoder, TextEncoder
from squadron.retrieval.index import Changes, Document, PassageIndex
from squadron.retrieval.index_record import IndexRecord, IndexSettings
from squadron.retrieval.search import METHODS, Found, Rerank, find_passages, find_passages_of_each

__all__ = [
    "FIRST_TOKEN",
    "MEAN",
    "METHODS",
    "POOLINGS",
    "Changes",
    "Document",
    "Encoder",
    "Found",
    "IndexRecord",
    "IndexSettings",
    "PassageIndex",
    "Rerank",
    "TextEncoder",
    "find_passages",
    "find_passages_of_each",
]
