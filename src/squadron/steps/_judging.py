"""Judges the splits of one contender and writes a folder for each of them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from squadron.artifacts import read_parts, read_table, write_official, write_record, write_table
from squadron.config import Contender, Evaluate
from squadron.scores.contender_result import ContenderResult
from squadron.scores.figures import SplitFigures
from squadron.steps._files import COMPARED
from squadron.steps._status import Status

if TYPE_CHECKING:
    import pyarrow as pa

    from squadron.scores.evaluation import Judged, Questions


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
        from squadron.scores.evaluation import judge, settle_answering, write_answers

        split = _read_split(name, count, self._examples, self._candidates, self._made_from)
        judged = judge(
            split.questions,
            split.candidates,
            self._answering.null_threshold,
            # What was trained on is judged with a threshold of its own, and keeps it.
            search=name == "train" or (name == "tune" and not self._is_settled),
            rule=self._answering.answer_rule,
        )
        if name == "tune":
            if not self._is_settled:
                self._answering = settle_answering(judged, self._answering.answer_rule)
            # A registered model keeps its threshold: none was searched.
            kept = {"exact_match": self._answering.null_threshold}
            self._null_thresholds = judged.null_thresholds or kept
        write_answers(folder, split.questions, judged)
        self._write_n_best(folder, split, judged)
        self._write_table(folder / "scores.parquet", judged.scores, "scores/3")
        types, types_rules = _write_types(folder, split)
        figures = judged.figures
        if name in COMPARED:
            figures = self._write_details(name, folder, split, judged)
        self._splits[name] = replace(figures, types=types, types_rules=types_rules)
        self._digests[name] = split.digest

    def _write_details(
        self, name: str, folder: Path, split: "_Split", judged: "Judged"
    ) -> SplitFigures:
        """Writes what a split on which contenders are compared has besides; returns its figures."""
        from squadron.scores.breakdown import break_down, count_windows
        from squadron.scores.confidence import measure_confidence
        from squadron.scores.error_kinds import count_kinds
        from squadron.scores.evaluation import find_errors, measure_intervals, measure_oracle

        mapping = self._answering.calibration
        confidence, sure = measure_confidence(judged, mapping, self._made_from)
        write_record(folder / "confidence.json", confidence)
        errors = find_errors(split.examples, split.questions, judged, split.extents)
        self._errors[name] = count_kinds(errors["kind"].to_pylist())
        self._write_table(folder / "errors.parquet", errors, "errors/1")
        windows = None
        if split.extents is not None:
            windows = count_windows(split.extents, split.questions.ids)
        groups = break_down(split.examples, judged.scores, windows)
        self._write_table(folder / "breakdown.parquet", groups, "breakdown/2")
        more: dict[str, Any] = {**sure, **measure_oracle(judged, split.questions)}
        if self._scorer:
            means = self._scorer.mean_scores(judged.chosen, split.questions.golds)
            more |= {f"bertscore_{key}": value for key, value in means.items()}
        return replace(measure_intervals(judged), **more)

    def _write_n_best(self, folder: Path, split: "_Split", judged: "Judged") -> None:
        from squadron.scores.evaluation import list_best

        lists = list_best(judged, split.questions, self._n_best, self._answering.calibration)
        write_official(folder / "nbest.json", zip(split.questions.ids, lists, strict=True))

    def _write_table(self, file: Path, table: "pa.Table", schema: str) -> None:
        write_table(file, table, schema=schema, made_from=self._made_from)


@dataclass(frozen=True)
class _Split:
    """What predict and ingest know of a split."""

    examples: "pa.Table"
    digest: str
    """Of what the examples were made from."""
    questions: "Questions"
    candidates: "Iterator[pa.Table]"
    """To be read once."""
    types: "pa.Table | None"
    """Of schema `artifacts.WINDOW_TYPES`, from a model that tells the types of questions."""
    extents: "pa.Table | None"
    """Of schema `artifacts.EXTENTS`."""


def _read_split(name: str, count: int, examples: Path, candidates: Path, made_from: str) -> _Split:
    """Reads the first `count` questions of a split (0 for all), and their candidates."""
    from squadron.scores.evaluation import Questions

    table = read_table(examples / f"{name}.parquet", schema="examples/1")
    digest = table.schema.metadata[b"squadron.made_from"].decode()
    table = table.slice(0, count or None)
    rows = read_parts(candidates / f"{name}.parquet", schema="candidates/1", made_from=made_from)
    types, extents = candidates / f"{name}.types.parquet", candidates / f"{name}.windows.parquet"
    return _Split(
        table,
        digest,
        Questions.read(table),
        rows,
        read_table(types, schema="types/1", made_from=made_from) if types.is_file() else None,
        read_table(extents, schema="extents/1", made_from=made_from) if extents.is_file() else None,
    )


def _write_types(folder: Path, split: _Split) -> tuple[dict[str, float], dict[str, float]]:
    """Writes the types of questions, if the model tells types; returns `judge_types` of them."""
    from squadron.scores.type_figures import choose_types, judge_types

    if split.types is None:
        return {}, {}
    chosen = choose_types(split.types, split.questions.ids)
    write_official(folder / "types.json", zip(split.questions.ids, chosen, strict=True))
    return judge_types(chosen, split.examples)


def _load_scorer() -> Any:
    """Loads the offline encoder; torch is imported for it alone."""
    from squadron.scores.bertscore import BertScorer

    return BertScorer()
