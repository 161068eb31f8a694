"""Writes the answers of a split in the official layout, and the n best of each question."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from squadron.answers import calibration, ranking
from squadron.artifacts import official_in_parts
from squadron.scores.evaluation import Answers, JudgedAnswers, Questions


class AnswerFiles:
    """Writes answers.json, predictions.json and null_odds.json in the official layout.

    `answers` are the answers. The official search of thresholds reads the other two: what it would
    answer if it had to, and how likely it is that a question has no answer. The files are complete
    at the end of the `with` block.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> "AnswerFiles":
        self._answers, self._predictions, self._null_odds = (
            self._stack.enter_context(official_in_parts(self._folder / f"{name}.json"))
            for name in ("answers", "predictions", "null_odds")
        )
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def add(self, ids: Sequence[str], answers: Answers, best_score: Any) -> None:
        """Adds the next questions.

        Args:
            ids: Of the questions.
            answers: Their answers.
            best_score: Of the best candidate of each question, shape (E,).
        """
        self._answers(zip(ids, answers.chosen, strict=True))
        self._predictions(zip(ids, answers.best, strict=True))
        odds = ranking.null_odds(best_score).tolist()
        self._null_odds(zip(ids, odds, strict=True))


def write_answers(folder: Path, questions: Questions, judged: JudgedAnswers) -> None:
    """Writes the files of `AnswerFiles` for a split that was judged in memory."""
    with AnswerFiles(folder) as files:
        files.add(questions.ids, judged.answers, judged.best_spans.score)


def list_best(
    questions: Questions,
    ranked: ranking.Ranked,
    n_best: int,
    mapping: calibration.Calibration | None,
) -> Iterator[list[ranking.Best]]:
    """Returns the n best of each question for nbest.json; the best has its `probability`.

    The others have none: the mapping was fitted to best answers (docs/decisions/calibration.md).
    """
    lists = ranking.list_best(ranked, questions.contexts, n_best)
    sure = mapping.apply(ranked.best_score()).tolist() if mapping else None
    for number, some in enumerate(lists):
        if some and sure:
            some[0]["probability"] = sure[number]
        yield some
