"""The step answer: a contender answers questions whose passage must be found first."""

import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from squadron import progress
from squadron.artifacts import (
    read_record,
    read_table,
    write_official,
    write_record,
    write_table,
)
from squadron.config import Contender, Documents, digest, from_json
from squadron.documents.passage_table import read_passages
from squadron.scores.contender_result import ContenderResult
from squadron.scores.open_domain import OpenDomain, OpenSplit, SearchedSplit, Searches
from squadron.scores.open_scores import measure_methods, measure_scores
from squadron.steps._asked import SEARCHES, find_asked
from squadron.steps._open_answers import FoundPassages, answer_split
from squadron.steps._record import record_open_domain
from squadron.steps._step import step, timed
from squadron.steps.passages import TABLE

ANSWERS = "open_domain.parquet"
"""The answers in the folder of a split, of schema artifacts.OPEN_ANSWERS."""


@step
def answer(
    *,
    documents: str,
    contender: str,
    examples: Path,
    passages: Path,
    found: Path,
    model: Path,
    evaluation: Path,
    answered: Path,
    figures_file: Path,
    digests: str = "",
) -> dict[str, float]:
    """Reads the passages that were found, as the registered model would, and scores the answers.

    A disqualified contender answers nothing.

    Args:
        documents: JSON of config.Documents.
        contender: JSON of config.Contender.
        examples: As ingest wrote them.
        passages: As the step passages wrote them.
        found: As the step index wrote it.
        model: As train wrote it.
        evaluation: As evaluate wrote it: it says how the contender answers.
        answered: The folder to write: the evaluation, with `open_domain` in its metrics.json and
            {split}/open_domain.parquet.
        figures_file: Gets the figures, too: Kubeflow caches a Metrics output only if its file
            exists.
        digests: JSON of provenance.Digests; the decorator compares the code.

    Returns:
        Finite figures for the pipeline's own pages.
    """
    from squadron import tracking

    settings, runner = from_json(Documents, documents), from_json(Contender, contender)
    shutil.copytree(evaluation, answered, dirs_exist_ok=True)
    result = read_record(ContenderResult, evaluation / "metrics.json")
    figures: dict[str, float] = {}
    if result.splits:
        with timed(figures, "answer"):
            asking = _Asking(result, model, passages, found, settings.top_k)
            open_domain = asking.answer_all(examples, answered)
        result = replace(result, open_domain=open_domain, figures={**result.figures, **figures})
        write_record(answered / "metrics.json", result)
        figures |= open_domain.flat()
        _say(runner.label, open_domain)
    write_official(figures_file, figures.items())
    record_open_domain(tracking.address_run(tracking.current_race(), runner.label), answered)
    return figures


class _Asking:
    """A contender, and what the searches found.

    Args:
        result: What evaluate found out about the contender.
        model: As train wrote it.
        passages: As the step passages wrote them.
        found: As the step index wrote it.
        top_k: How many passages are read per question and method.
    """

    def __init__(
        self, result: ContenderResult, model: Path, passages: Path, found: Path, top_k: int
    ) -> None:
        from squadron.reader import Reader

        self._result, self._folder, self._top_k = result, found, top_k
        self._searches = read_record(Searches, found / SEARCHES)
        self._reader = Reader.load(model, result.answering)
        held = read_passages(read_table(passages / TABLE, schema="passages/1"))
        self._passages = {passage.id: passage for passage in held}

    def answer_all(self, examples: Path, answered: Path) -> OpenDomain:
        """Answers the questions of all splits on which the contender was judged.

        Args:
            examples: As ingest wrote them.
            answered: The folder that gets the answers.
        """
        asked = {
            name: split
            for name, split in self._searches.splits.items()
            if name in self._result.splits
        }
        total = sum(split.questions for split in asked.values())
        title = f"answer     {self._result.label}"
        with progress.Progress(title, total, "questions") as bar:
            splits = {
                name: self._answer_split(split, examples / f"{name}.parquet", answered / name, bar)
                for name, split in asked.items()
            }
        return OpenDomain(self._searches.index, splits)

    def _answer_split(
        self, searched: SearchedSplit, examples: Path, folder: Path, bar: progress.Progress
    ) -> OpenSplit:
        """Answers the questions of one split and writes the answers into its folder."""
        rows = read_table(self._folder / examples.name, schema="found/1")
        asked = find_asked(examples, set(rows["id"].to_pylist()))
        found = FoundPassages(rows, self._passages, self._top_k)
        answers = answer_split(asked, found, self._reader, bar)
        made_from = digest(self._result.made_from, self._searches.made_from)
        write_table(folder / ANSWERS, answers, schema="open_answers/1", made_from=made_from)
        scores = read_table(folder / "scores.parquet", schema="scores/3")
        is_asked = pc.is_in(scores["id"], pa.array(asked.questions.ids))
        given = measure_scores(scores.filter(is_asked), asked.questions)
        return OpenSplit(searched, given, measure_methods(answers, asked.questions))


def _say(label: str, open_domain: OpenDomain) -> None:
    """Shows EM on select with the passage found by hybrid search, and with the context given."""
    from squadron.retrieval import HYBRID

    select = open_domain.splits["select"]
    progress.say(
        f"answer     {label}: EM {select.methods[HYBRID].exact_match:.2f} with passages found, "
        f"{select.given.exact_match:.2f} with the context given, on {select.searched.questions:,} "
        "questions of select"
    )
