"""Judges the splits of one contender and writes a folder for each of them."""

from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from squadron.artifacts import official_in_parts, write_official, write_table
from squadron.config import Contender, Evaluate
from squadron.scores.contender_result import ContenderResult
from squadron.scores.figures import SplitFigures
from squadron.steps._files import COMPARED
from squadron.steps._split_details import Candidates, SplitDetails
from squadron.steps._status import Status

if TYPE_CHECKING:
    from squadron.scores.split_evaluation import AnsweredPart, SplitFile


class SplitJudge:
    """Judges split after split. tune comes first: it settles how the others are answered.

    A registered model answers as it was registered, and nothing is settled.
    """

    def __init__(
        self,
        wanted: Evaluate,
        runner: Contender,
        status: Status,
        examples: Path,
        candidates: Path,
    ) -> None:
        """Loads what scores answers.

        Args:
            wanted: What is to be computed.
            runner: The contender.
            status: What predict tells about it.
            examples: As ingest wrote them.
            candidates: As predict wrote them.
        """
        from squadron.answers.answering import Answering

        self._examples, self._candidates = examples, candidates
        self._made_from = status.made_from
        self._n_best = runner.predict.n_best
        self._is_settled = status.answering is not None
        self._answering = status.answering or Answering(answer_rule=wanted.answer_rule)
        self._scorer = _load_scorer() if wanted.bertscore else None
        self._splits: dict[str, SplitFigures] = {}
        self._digests: dict[str, str] = {}
        self._errors: dict[str, dict[str, int]] = {}
        self._null_thresholds: dict[str, float | None] = {}

    def complete(self, result: ContenderResult) -> ContenderResult:
        """Returns the result with what is known of the splits that were judged."""
        return replace(
            result,
            splits=self._splits,
            digests=self._digests,
            errors=self._errors,
            null_thresholds=self._null_thresholds,
            answering=self._answering,
        )

    def write_split(self, name: str, count: int, folder: Path) -> None:
        """Judges a split and writes its folder.

        Args:
            name: The split.
            count: How many of its first questions; 0 for all.
            folder: Where its files go.
        """
        from squadron.scores.evaluation import settle_answering
        from squadron.scores.split_evaluation import RankedSplit, SplitFile

        folder.mkdir(parents=True, exist_ok=True)
        split = SplitFile(self._examples / f"{name}.parquet", count, folder)
        rule = self._answering.answer_rule
        candidates = Candidates(self._candidates, name, self._made_from)
        ranked = RankedSplit(split, candidates.read(".parquet", "candidates/1"), rule)
        # What was trained on is judged with a threshold of its own, and keeps it.
        search = name == "train" or (name == "tune" and not self._is_settled)
        thresholds = ranked.search_thresholds() if search else {}
        threshold = thresholds.get("exact_match", self._answering.null_threshold)
        if name == "tune":
            if not self._is_settled:
                self._answering = settle_answering(ranked.best, threshold, rule)
            # A registered model keeps its threshold: none was searched.
            self._null_thresholds = thresholds or {"exact_match": self._answering.null_threshold}
        details = None
        if name in COMPARED:
            details = SplitDetails(folder, split, candidates, self._made_from, self._scorer)
        self._write_answers(folder, ranked.answer(threshold), details)
        judged = ranked.judge(threshold, thresholds)
        write_table(
            folder / "scores.parquet", judged.scores, schema="scores/3", made_from=self._made_from
        )
        figures = judged.figures
        if details:
            figures = details.complete(judged, self._answering.calibration)
            self._errors[name] = details.kinds
        types, types_rules = _write_types(folder, split, candidates)
        self._splits[name] = replace(figures, types=types, types_rules=types_rules)
        self._digests[name] = split.digest

    def _write_answers(
        self, folder: Path, parts: "Iterable[AnsweredPart]", details: "SplitDetails | None"
    ) -> None:
        """Writes the files of a split that have something of each question, part by part."""
        from squadron.scores.answer_files import AnswerFiles, list_best

        with (
            AnswerFiles(folder) as files,
            official_in_parts(folder / "nbest.json") as add_best,
            details or nullcontext(),
        ):
            for part in parts:
                ids, best_score = part.questions.ids, part.ranked.best_score()
                files.add(ids, part.answers, best_score)
                mapping = self._answering.calibration
                lists = list_best(part.questions, part.ranked, self._n_best, mapping)
                add_best(zip(ids, lists, strict=True))
                if details:
                    details.add(part)


def _write_types(
    folder: Path, split: "SplitFile", candidates: Candidates
) -> tuple[dict[str, float], dict[str, float]]:
    """Writes the types of questions, if the model tells types; returns `judge_types` of them."""
    from squadron.scores.type_figures import choose_types, judge_types

    if not candidates.has(".types.parquet"):
        return {}, {}
    rows = candidates.read(".types.parquet", "types/1")
    chosen = choose_types(rows, split.find_numbers, len(split))
    write_official(folder / "types.json", zip(split.ids(), chosen, strict=True))
    return judge_types(chosen, split.parts("reasoning_type", "label_source"))


def _load_scorer() -> Any:
    """Loads the offline encoder; torch is imported for it alone."""
    from squadron.scores.bertscore import BertScorer

    return BertScorer()
