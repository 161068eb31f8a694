"""Finds the passages of an index that answer a question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from squadron.artifacts import PASSAGES
from squadron.documents import passage_table
from squadron.documents.passages import Passage
from squadron.errors import InputError
from squadron.retrieval import lance_table
from squadron.retrieval.encoder import FIRST_TOKEN, MEAN, Vectors
from squadron.retrieval.fusion import fuse_rankings
from squadron.retrieval.index import PassageIndex

DENSE = "dense"
"""By the cosine of mean-pooled vectors."""
BM25 = "bm25"
"""By the words of the question (BM25)."""
HYBRID = "hybrid"
"""By reciprocal rank fusion of dense and bm25."""
ORIGINAL = "original"
"""By the cosine of first-token vectors, as the original system had it; it gave one passage."""
METHODS = (DENSE, BM25, HYBRID, ORIGINAL)
TOP_K = 5
CANDIDATES = 50
"""How many passages of dense and of bm25 are fused, or as many as are asked for, if more."""
_POOLING = {DENSE: MEAN, ORIGINAL: FIRST_TOKEN}


@dataclass(frozen=True)
class Found:
    """A passage that a search found."""

    passage: Passage
    rank: int
    """Its place among the results, from 1."""
    scores: Mapping[str, float] = field(hash=False)
    """Score by method, of those methods that found it: "dense" and "original" are cosines (-1 to
    1), "bm25" is above 0, "hybrid" is a sum of reciprocal ranks. Higher is better. Scores of
    two methods can't be compared."""


@dataclass(frozen=True)
class _Ranking:
    """What one method found, best first."""

    rows: Mapping[str, Mapping[str, Any]]
    """The row of each passage by its id, in the order of their rank."""
    scores: Mapping[str, float]


def find_passages(
    index: PassageIndex,
    question: str,
    method: str = HYBRID,
    *,
    top_k: int | None = None,
    document: str = "",
) -> list[Found]:
    """Finds the best passages for one question; see `find_passages_of_each`."""
    return find_passages_of_each(index, [question], method, top_k=top_k, document=document)[0]


def find_passages_of_each(
    index: PassageIndex,
    questions: Sequence[str],
    method: str = HYBRID,
    *,
    top_k: int | None = None,
    document: str = "",
) -> list[list[Found]]:
    """Finds the best passages for each question.

    Args:
        index: The index. It must have the vectors that the method needs.
        questions: Texts in which no character has a special meaning.
        method: One of `METHODS`.
        top_k: The most passages per question; None means 1 for "original" and 5 for the others.
        document: The name of the only document to search; "" searches all.

    Returns:
        For each question its passages, best first. A question without any word of the documents has
        no result by "bm25".

    Raises:
        InputError: If a question is blank, the method is unknown, `top_k` is below 1, or the index
            lacks vectors or can't be read.
    """
    top_k = (1 if method == ORIGINAL else TOP_K) if top_k is None else top_k
    _check(index, questions, method, top_k)
    # The first ranking decides between equal scores. The words are right more often than vectors.
    methods = (BM25, DENSE) if method == HYBRID else (method,)
    depth = max(top_k, CANDIDATES) if method == HYBRID else top_k
    poolings = [_POOLING[name] for name in methods if name in _POOLING]
    vectors = index.encoder.encode(questions, poolings) if poolings and questions else {}
    where = lance_table.is_one_of("document", [document]) if document else ""
    found = []
    for number, question in enumerate(questions):
        rankings = {
            name: _rank_by_words(index, question, depth, where)
            if name == BM25
            else _rank_by_vector(
                index, vectors[_POOLING[name]][number], _POOLING[name], depth, where
            )
            for name in methods
        }
        found.append(_choose(rankings, method, top_k))
    return found


def _check(index: PassageIndex, questions: Sequence[str], method: str, top_k: int) -> None:
    if method not in METHODS:
        raise InputError(f"The search method {method!r} is unknown; choose from {METHODS}")
    if top_k < 1:
        raise InputError(f"The number of passages is {top_k}; give 1 or more")
    if not all(question.strip() for question in questions):
        raise InputError("The question is empty; ask something")
    needed = _POOLING.get(DENSE if method == HYBRID else method)
    if needed and needed not in index.settings.poolings:
        raise InputError(
            f"The index {index.place} has no {needed!r} vectors, which {method!r} needs; build an "
            f"index with them, or search by another method than {method!r}"
        )


def _rank_by_vector(
    index: PassageIndex, vector: Vectors, pooling: str, limit: int, where: str
) -> _Ranking:
    """Ranks passages by the cosine of their vectors with the question's vector.

    Args:
        index: The index.
        vector: Of the question.
        pooling: The kind of the vectors.
        limit: The most passages.
        where: The SQL condition that passages must meet; "" for none.
    """
    with lance_table.sentences(index.place, "read"):
        query = index.table.search(vector, pooling).distance_type("cosine")
        query = query.limit(limit).select([*PASSAGES.names, "_distance"])
        rows = _narrow(query, where).to_list()
    return _sort(rows, {row["id"]: 1.0 - row["_distance"] for row in rows})


def _rank_by_words(index: PassageIndex, question: str, limit: int, where: str) -> _Ranking:
    """Ranks passages by BM25. The words of the question are taken as they are, without a syntax."""
    from lancedb.query import MatchQuery

    with lance_table.sentences(index.place, "read"):
        # The other arguments have defaults that the types of LanceDB don't show.
        words = MatchQuery(question, lance_table.SEARCHED)  # type: ignore[call-arg]
        query = index.table.search(words, query_type="fts").limit(limit)
        rows = _narrow(query.select([*PASSAGES.names, "_score"]), where).to_list()
    return _sort(rows, {row["id"]: row["_score"] for row in rows})


def _narrow(query: Any, where: str) -> Any:
    """Applies a condition before the best passages are chosen, not after."""
    return query.where(where, prefilter=True) if where else query


def _sort(rows: Sequence[Mapping[str, Any]], scores: Mapping[str, float]) -> _Ranking:
    """Sorts rows by score. Rows of equal score are sorted by id, so that results repeat."""
    order = sorted(rows, key=lambda row: (-scores[row["id"]], row["id"]))
    return _Ranking({row["id"]: row for row in order}, scores)


def _choose(rankings: Mapping[str, _Ranking], method: str, top_k: int) -> list[Found]:
    """Returns the best passages of the rankings, by the scores of the method."""
    if method == HYBRID:
        fused = fuse_rankings([list(ranking.rows) for ranking in rankings.values()])
    else:
        fused = [(name, rankings[method].scores[name]) for name in rankings[method].rows]
    results = []
    for rank, (name, score) in enumerate(fused[:top_k], 1):
        holders = [ranking for ranking in rankings.values() if name in ranking.rows]
        scores = {m: r.scores[name] for m, r in rankings.items() if name in r.rows}
        passage = passage_table.to_passage(holders[0].rows[name])
        results.append(Found(passage, rank, {**scores, method: score}))
    return results
