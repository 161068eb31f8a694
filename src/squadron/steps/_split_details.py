"""Writes what a split on which contenders are compared has besides its answers."""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from squadron.artifacts import ERRORS, read_parts, write_record, write_table, written_in_parts

if TYPE_CHECKING:
    import pyarrow as pa

    from squadron.answers.calibration import Calibration
    from squadron.scores.evaluation import Judged
    from squadron.scores.figures import SplitFigures
    from squadron.scores.split_evaluation import AnsweredPart, SplitFile


class Candidates:
    """The files that predict wrote for a split.

    Args:
        folder: Where they are.
        split: The split.
        made_from: Digest of what they must be made from.
    """

    def __init__(self, folder: Path, split: str, made_from: str) -> None:
        self._folder, self._split, self._made_from = folder, split, made_from

    def has(self, ending: str) -> bool:
        """Whether there is a file with this ending of its name."""
        return (self._folder / f"{self._split}{ending}").is_file()

    def read(self, ending: str, schema: str) -> "Iterator[pa.Table]":
        """Yields the parts of the file with this ending of its name."""
        path = self._folder / f"{self._split}{ending}"
        return read_parts(path, schema=schema, made_from=self._made_from)


class SplitDetails:
    """Writes errors.parquet, confidence.json and breakdown.parquet, and measures the figures.

    It is a context: errors.parquet is complete at its end.

    Args:
        folder: The folder of the split.
        split: The questions.
        candidates: What predict wrote.
        made_from: Digest of what the answers are made from.
        scorer: A `BertScorer`, or None if BERTScore is not wanted.
    """

    def __init__(
        self,
        folder: Path,
        split: "SplitFile",
        candidates: Candidates,
        made_from: str,
        scorer: Any,
    ) -> None:
        from squadron.scores.breakdown import Breakdown, count_windows
        from squadron.scores.error_kinds import find_reached

        self._folder, self._made_from, self._scorer = folder, made_from, scorer
        self._stack = ExitStack()
        self._windows: npt.NDArray[np.int64] | None = None
        self._reached: npt.NDArray[np.bool_] | None = None
        if candidates.has(".windows.parquet"):

            def read() -> "Iterator[pa.Table]":
                return candidates.read(".windows.parquet", "extents/1")

            self._windows = count_windows(read(), split.find_numbers, len(split))
            self._reached = find_reached(
                read(), split.find_numbers, split.gold_spans, split.gold_counts
            )
        self._groups = Breakdown()
        self._kinds: Counter[str] = Counter()
        self._oracle: list[Any] = []
        self._texts: tuple[list[str], list[list[str]]] = [], []

    def __enter__(self) -> "SplitDetails":
        path, made_from = self._folder / "errors.parquet", self._made_from
        self._add_errors = self._stack.enter_context(
            written_in_parts(
                path, ERRORS, schema="errors/1", made_from=made_from, compression="zstd"
            )
        )
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def add(self, part: "AnsweredPart") -> None:
        """Adds the next questions."""
        from squadron.scores.evaluation import find_errors, score_oracle

        windows = None if self._windows is None else self._windows[part.rows]
        reached = None if self._reached is None else self._reached[part.rows]
        errors = find_errors(
            part.examples, part.questions, part.answers, part.ranked.best_score(), reached
        )
        self._add_errors(errors)
        self._kinds.update(errors["kind"].to_pylist())
        self._groups.add(part.examples, windows)
        self._oracle.append(score_oracle(part.questions, part.ranked))
        if self._scorer:
            # Texts are compared in batches of similar lengths, which takes all of them.
            self._texts[0].extend(part.answers.chosen)
            self._texts[1].extend(part.questions.golds)

    @property
    def kinds(self) -> dict[str, int]:
        """The number of errors of each kind."""
        from squadron.scores.error_kinds import KINDS

        return {kind: self._kinds[kind] for kind in KINDS}

    def complete(self, judged: "Judged", mapping: "Calibration | None") -> "SplitFigures":
        """Writes what needs all questions; returns the figures of the split with all details.

        Args:
            judged: The split.
            mapping: From scores to probabilities. A registered model of an early version has none.
        """
        from squadron.scores.confidence import measure_confidence
        from squadron.scores.evaluation import measure_intervals

        confidence, sure = measure_confidence(judged, mapping, self._made_from)
        write_record(self._folder / "confidence.json", confidence)
        groups = self._groups.score(judged.scores)
        path = self._folder / "breakdown.parquet"
        write_table(path, groups, schema="breakdown/2", made_from=self._made_from)
        exact, f1 = np.concatenate(self._oracle, axis=1)
        more: dict[str, Any] = {
            **sure,
            "oracle_exact_match": 100.0 * float(exact.mean()),
            "oracle_f1": 100.0 * float(f1.mean()),
        }
        if self._scorer:
            means = self._scorer.mean_scores(*self._texts)
            more |= {f"bertscore_{key}": value for key, value in means.items()}
        return replace(measure_intervals(judged), **more)
