"""Measures how often the right paragraph is found among all paragraphs, and how long that takes.

    python benchmarks/bench_retrieval.py DATA.json [--questions N] [--output FILE.json]

Every paragraph of DATA.json is a passage, whose heading is the title of its article. A question
counts as found at 1, 5 or 20 if its own paragraph is among the first 1, 5 or 20 results. There may
be more than one paragraph that answers it, so the recall is rather too low.

- recall of each method, as `squadron.retrieval` gives it with its default settings;
- fusion: recall of hybrid with other constants of reciprocal rank fusion;
- words: with --words, nothing but the recall of BM25 without stemming or with stop words;
- build: seconds to encode all passages and write the index. The encoder has been loaded before;
- search: milliseconds from the text of one question to its passages, one question after the other;
- disk: what the index takes.

The targets: hybrid finds at least 92 % at 5, the build takes at most 180 s on two cores, and a
hybrid search at most 30 ms in the median.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pyarrow as pa

from benchmarks.measure import at_least, at_most, finish, make_parser, read_questions
from squadron.documents.passage_table import make_context_passages
from squadron.retrieval import (
    METHODS,
    POOLINGS,
    Document,
    PassageIndex,
    TextEncoder,
    find_passages,
    find_passages_of_each,
    group_passages,
)
from squadron.retrieval.fusion import RANK_CONSTANT, fuse_rankings
from squadron.retrieval.lance_table import searched_text
from squadron.retrieval.search import CANDIDATES

PLACES = (1, 5, 20)
CONSTANTS = (1, 2, RANK_CONSTANT, 10, 20, 60)
WANTED_RECALL = 92.0
MOST_BUILD_SECONDS = 180.0
MOST_SEARCH_MS = 30.0


class RememberingEncoder:
    """Encodes all questions once, so that each method does not do it again.

    Args:
        encoder: The encoder of the index.
        questions: All questions that will be asked.
    """

    def __init__(self, encoder: TextEncoder, questions: Sequence[str]) -> None:
        self.name = encoder.name
        self.fingerprint = encoder.fingerprint
        self._row = {question: row for row, question in enumerate(questions)}
        self._vectors = encoder.encode(questions, POOLINGS)

    def encode(self, texts: Sequence[str], poolings: Sequence[str]) -> dict[str, Any]:
        """Returns the vectors of some of the questions."""
        rows = [self._row[text] for text in texts]
        return {name: self._vectors[name][rows] for name in poolings}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints and writes the report."""
    parser = make_parser(__doc__, repeat=1)
    parser.add_argument("data", type=Path, help="DATA.json, SQuAD v1.1 or v2.0 layout")
    parser.add_argument("--questions", type=int, help="measure recall on this many, evenly spread")
    parser.add_argument("--searches", type=int, default=200, help="measure the time of this many")
    parser.add_argument("--without-titles", action="store_true", help="passages have no headings")
    parser.add_argument(
        "--words", action="store_true", help="measure nothing but BM25 by other words"
    )
    options = parser.parse_args(arguments)

    examples = read_questions(options.data)
    documents = make_documents(examples, has_titles=not options.without_titles)
    gold = {p.text: p.id for document in documents for p in document.passages}
    contexts = examples["context"].to_pylist()
    rows = np.arange(len(contexts))
    if options.questions:
        rows = np.linspace(0, len(contexts) - 1, min(options.questions, len(contexts))).astype(int)
    questions = [examples["question"][int(row)].as_py() for row in rows]
    wanted = [gold[contexts[row]] for row in rows]
    if options.words:
        report = {"benchmark": "words", "words": compare_words(documents, questions, wanted)}
        finish(report, [], options, enough=1)
        return
    with tempfile.TemporaryDirectory() as folder:
        report = measure_index(options, folder, documents, questions, wanted)
    report = {
        "benchmark": "retrieval",
        "data": options.data.name,
        "titles": not options.without_titles,
        "questions": len(questions),
        **report,
    }
    hybrid_ms = report["search_ms"]["hybrid"]["median"]
    targets = [
        at_least("retrieval hybrid recall at 5", report["recall"]["hybrid"][5], WANTED_RECALL, "%"),
        at_most("retrieval build", report["build_seconds"], MOST_BUILD_SECONDS, "s"),
        at_most("retrieval hybrid search", hybrid_ms, MOST_SEARCH_MS, "ms"),
    ]
    finish(report, targets, options, enough=1)


def make_documents(examples: Any, *, has_titles: bool) -> list[Document]:
    """Returns the articles, each paragraph of which is a passage."""
    names = ("title", "context")
    pairs = zip(*(examples[name].to_pylist() for name in names), strict=True)
    passages = make_context_passages(pairs)
    if not has_titles:
        passages = (replace(passage, section="") for passage in passages)
    return group_passages(passages)


def measure_index(
    options: argparse.Namespace,
    folder: str,
    documents: Sequence[Document],
    questions: Sequence[str],
    wanted: Sequence[str],
) -> dict[str, Any]:
    """Builds the index in a folder; returns all figures and prints them."""
    encoder = TextEncoder()
    encoder.encode(["It is loaded before the clock starts."])
    started = time.perf_counter()
    index = PassageIndex.open_or_create(folder, encoder, poolings=POOLINGS)
    record = index.update(documents)
    build_seconds = time.perf_counter() - started
    started = time.perf_counter()
    PassageIndex.open_or_create(folder, encoder, poolings=POOLINGS).update(documents)
    again_seconds = time.perf_counter() - started
    size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
    print(f"{record.passages} passages of {record.documents} documents, {len(questions)} questions")
    print(f"build     {build_seconds:.1f} s, again unchanged {again_seconds:.2f} s")
    print(f"disk      {size / 1e6:.1f} MB")

    search_ms = {}
    for method in METHODS:
        times = []
        for question in questions[:: max(1, len(questions) // options.searches)]:
            started = time.perf_counter()
            find_passages(index, question, method)
            times.append((time.perf_counter() - started) * 1e3)
        search_ms[method] = {
            "median": float(np.median(times)),
            "p95": float(np.percentile(times, 95)),
        }
        median, p95 = search_ms[method].values()
        print(f"search    {method:8} median {median:5.1f} ms, 95th percentile {p95:5.1f} ms")

    quick = PassageIndex.open(folder, RememberingEncoder(encoder, questions))
    recall, ids = {}, {}
    for method in METHODS:
        found = find_passages_of_each(quick, questions, method, top_k=CANDIDATES)
        ids[method] = [[one.passage.id for one in some] for some in found]
        recall[method] = count_found(ids[method], wanted)
        print_recall(method, recall[method])
    fusion = {}
    for constant in CONSTANTS:
        pairs = zip(ids["bm25"], ids["dense"], strict=True)
        fused = [[name for name, _ in fuse_rankings(pair, constant)] for pair in pairs]
        fusion[constant] = count_found(fused, wanted)
        print_recall(f"RRF {constant}", fusion[constant])
    return {
        "passages": record.passages,
        "build_seconds": build_seconds,
        "again_seconds": again_seconds,
        "bytes": size,
        "search_ms": search_ms,
        "recall": recall,
        "fusion": fusion,
    }


def compare_words(
    documents: Sequence[Document], questions: Sequence[str], wanted: Sequence[str]
) -> dict[str, dict[int, float]]:
    """Returns the recall of BM25 with and without stemming and stop words."""
    import lancedb
    from lancedb.index import FTS
    from lancedb.query import MatchQuery

    passages = [passage for document in documents for passage in document.passages]
    table = pa.table({"id": [p.id for p in passages], "text": [searched_text(p) for p in passages]})
    recall = {}
    for name, stem, no_stop_words in (
        ("stems, no stop words", True, True),
        ("stems, stop words", True, False),
        ("forms, no stop words", False, True),
        ("forms, stop words", False, False),
    ):
        with tempfile.TemporaryDirectory() as folder:
            stored = lancedb.connect(folder).create_table("words", table)
            stored.create_index("text", config=FTS(stem=stem, remove_stop_words=no_stop_words))
            ids = []
            for question in questions:
                query = stored.search(MatchQuery(question, "text"), query_type="fts")
                rows = query.select(["id", "_score"]).limit(max(PLACES)).to_arrow()
                ids.append(rows["id"].to_pylist())
        recall[name] = count_found(ids, wanted)
        print_recall(name, recall[name])
    return recall


def count_found(ids: Sequence[Sequence[str]], wanted: Sequence[str]) -> dict[int, float]:
    """Returns the per cent of questions whose own paragraph is among the first results."""
    hits = {
        place: [name in some[:place] for some, name in zip(ids, wanted, strict=True)]
        for place in PLACES
    }
    return {place: 100.0 * float(np.mean(hit)) for place, hit in hits.items()}


def print_recall(name: str, recall: dict[int, float]) -> None:
    """Prints one line."""
    figures = ", ".join(f"at {place} {value:.2f} %" for place, value in recall.items())
    print(f"recall    {name:8} {figures}", flush=True)


if __name__ == "__main__":
    main()
