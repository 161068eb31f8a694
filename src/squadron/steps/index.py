"""The step index: passages -> an index, and what its searches find for the judged questions."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from squadron import progress
from squadron.artifacts import FOUND, read_table, write_official, write_record, write_table
from squadron.config import Documents, digest, from_json, to_json
from squadron.documents.cutting import CutSettings
from squadron.documents.passage_table import read_passages
from squadron.requirements import SEARCH_DOCUMENTS, require_packages
from squadron.scores.open_domain import Recall, SearchedIndex, SearchedSplit, Searches
from squadron.steps._asked import FOUND_AT_MOST, SEARCHES, Asked, choose_asked
from squadron.steps._files import COMPARED
from squadron.steps._step import step, timed
from squadron.steps.passages import TABLE
from squadron.wording import counted

if TYPE_CHECKING:
    from squadron.retrieval import IndexRecord, PassageIndex, RightPassages

_AT_ONCE = 50
"""Questions between two steps of the progress bar."""


@step
def index(
    *,
    documents: str,
    passages: Path,
    examples: Path,
    index: Path,
    found: Path,
    figures_file: Path,
    place: str = "",
    digests: str = "",
) -> dict[str, float]:
    """Builds the index, asks it questions of select and test, and measures recall.

    Args:
        documents: JSON of config.Documents.
        passages: As the step passages wrote them.
        examples: As ingest wrote them.
        index: The folder of the index to write.
        found: The folder to write: {split}.parquet of schema artifacts.FOUND, and searches.json.
        figures_file: Gets the figures, too: Kubeflow caches a Metrics output only if its file
            exists.
        place: Where the index will be after the race, for the record.
        digests: JSON of provenance.Digests; the decorator compares the code.

    Returns:
        Finite figures for the pipeline's own pages.
    """
    from squadron import tracking
    from squadron.retrieval import RightPassages

    require_packages(SEARCH_DOCUMENTS, "Documents need")
    settings = from_json(Documents, documents)
    table = read_table(passages / TABLE, schema="passages/1")
    figures: dict[str, float] = {}
    with timed(figures, "index_build"):
        built, record = _build(table, settings, index)
    chosen = {
        name: choose_asked(examples / f"{name}.parquet", settings.questions) for name in COMPARED
    }
    asked = {name: each for name, each in chosen.items() if len(each)}
    right = RightPassages(read_passages(table))
    with timed(figures, "index_search"):
        tables = _search_all(built, asked, right)
    splits = {name: _summarise(tables[name], each, right) for name, each in asked.items()}
    for name, some in tables.items():
        made_from = digest(record.made_from, *asked[name].questions.ids)
        write_table(found / f"{name}.parquet", some, schema="found/1", made_from=made_from)
    searches = Searches(record.made_from, _describe_index(record, place), splits, figures)
    write_record(found / SEARCHES, searches)
    figures |= _flatten(splits)
    write_official(figures_file, figures.items())
    tracking.log_metrics(tracking.address_run(tracking.current_race()), figures)
    progress.say(f"index      {_describe(searches)}")
    return figures


def _build(
    table: pa.Table, settings: Documents, folder: Path
) -> "tuple[PassageIndex, IndexRecord]":
    """Builds the index of all passages in a folder."""
    from squadron.retrieval import POOLINGS, PassageIndex, TextEncoder, group_passages

    cut = CutSettings(sentences=settings.sentences, overlap=settings.overlap)
    encoder = TextEncoder()
    built = PassageIndex.open_or_create(
        str(folder), encoder, poolings=POOLINGS, passage_settings=to_json(cut)
    )
    encoder.title = f"{'index':<10} encode"
    record = built.update(group_passages(read_passages(table)))
    encoder.title = ""  # Questions are encoded in no time.
    return built, record


def _search_all(
    built: "PassageIndex", asked: Mapping[str, Asked], right: "RightPassages"
) -> dict[str, pa.Table]:
    """Returns what each search method finds for the questions of each split, of schema FOUND."""
    from squadron.retrieval import METHODS

    total = len(METHODS) * sum(len(each) for each in asked.values())
    tables = {}
    with progress.Progress(f"{'index':<10} search", total, "searches") as bar:
        for name, questions in asked.items():
            rows: list[dict[str, object]] = []
            for method in METHODS:
                for first in range(0, len(questions), _AT_ONCE):
                    places = range(first, min(first + _AT_ONCE, len(questions)))
                    rows += _search(built, questions, places, method, right)
                    bar.advance(len(places))
            tables[name] = pa.Table.from_pylist(rows, schema=FOUND)
    return tables


def _search(
    built: "PassageIndex", asked: Asked, places: range, method: str, right: "RightPassages"
) -> list[dict[str, object]]:
    """Returns the rows of schema FOUND that one method finds for some of the questions."""
    from squadron.retrieval import find_passages_of_each

    texts = [asked.texts[place] for place in places]
    results = find_passages_of_each(built, texts, method, top_k=FOUND_AT_MOST)
    known = asked.questions
    return [
        {
            "id": known.ids[place],
            "method": method,
            "rank": each.rank,
            "passage": each.passage.id,
            "score": each.scores[method],
            "is_right": right.is_right(each.passage, known.contexts[place], known.golds[place]),
        }
        for place, some in zip(places, results, strict=True)
        for each in some
    ]


def _summarise(table: pa.Table, asked: Asked, right: "RightPassages") -> SearchedSplit:
    """Returns how often each method found a right passage."""
    from squadron.retrieval import METHODS, measure_recall

    first: dict[tuple[str, str], int] = {}
    for row in table.to_pylist():
        if row["is_right"]:
            first.setdefault((row["method"], row["id"]), row["rank"])
    known = asked.questions
    answerable = [each for each, has in zip(known.ids, known.has_answer, strict=True) if has]
    contexts = [
        right.has_context(context)
        for context, has in zip(known.contexts, known.has_answer, strict=True)
        if has
    ]
    recall = {}
    for method in METHODS:
        measured = measure_recall([first.get((method, each)) for each in answerable])
        recall[method] = Recall(*measured.values())
    return SearchedSplit(len(asked), len(answerable), sum(contexts), recall)


def _describe_index(record: "IndexRecord", place: str) -> SearchedIndex:
    return SearchedIndex(
        digest=record.content_digest,
        documents=record.documents,
        passages=record.passages,
        encoder=record.settings.encoder,
        place=place,
    )


def _flatten(splits: Mapping[str, SearchedSplit]) -> dict[str, float]:
    """Returns name -> figure as MLflow has them: select_hybrid_recall_at_5, ..."""
    return {
        f"{name}_{method}_recall_{key}": value
        for name, split in splits.items()
        for method, recall in split.recall.items()
        for key, value in vars(recall).items()
        if value is not None
    }


def _describe(searches: Searches) -> str:
    """Returns one line about the index and the recall of hybrid search on select."""
    from squadron.retrieval import HYBRID

    held = searches.index
    line = f"{counted(held.passages, 'passage')} of {counted(held.documents, 'document')}"
    select = searches.splits["select"]
    recall = select.recall[HYBRID]
    if recall.at_5 is None:
        return line
    return (
        f"{line}; hybrid search finds the right one among five for {recall.at_5:.1f} % of "
        f"{select.answerable:,} questions of select"
    )
