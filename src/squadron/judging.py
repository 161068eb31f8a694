"""A model and a data file -> figures: what the steps of a race do with a split, in one process.

It reads and validates as ingest does, answers with the `Reader`, and judges with `evaluation`, so
a file with the questions of a race's split gives the figures of that race.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from squadron.answers import ranking
from squadron.data import sources
from squadron.data.example_table import make_table
from squadron.data.validation import validate_examples
from squadron.data.validation_report import Report
from squadron.errors import InputError
from squadron.models import trained_on
from squadron.models.trained_on import Seen
from squadron.reader import Reader
from squadron.scores import evaluation, metrics
from squadron.scores.evaluation import JudgedAnswers, Questions, judge, measure_intervals
from squadron.scores.figures import SplitFigures, read_official


@dataclass(frozen=True)
class Judgement:
    """The figures of a model on a file."""

    questions: Questions
    judged: JudgedAnswers
    figures: SplitFigures
    """With intervals."""
    seconds: float
    """From the questions to the answers, without reading the file and loading the model."""
    thresholds: dict[str, "Threshold"]
    """What each null threshold gives, by its name; empty where every question has an answer."""


@dataclass(frozen=True)
class Threshold:
    """The figures that a null threshold gives."""

    value: float | None
    """None answers every question."""
    figures: dict[str, float]
    """Official figures (`metrics.summarize`) by the names of `SplitFigures`."""


def read_file(path: Path, source: str) -> tuple[pa.Table, Report]:
    """Reads the examples of a file, and what was repaired or left out.

    Args:
        path: The file.
        source: A file of `sources/`, or `auto`.

    Raises:
        InputError: If it can't be read, or nothing of it can be judged.
    """
    report = Report()
    examples = validate_examples(sources.read_file(source, path), report)
    if not examples:
        why = ", ".join(f"{count} x {reason!r}" for reason, count in report.rejected.items())
        raise InputError(
            f"The data file {path} has no question that can be judged ({why or 'it is empty'}); "
            "give questions with their answers"
        )
    return make_table(examples), report


def find_seen(folder: Path, examples: pa.Table) -> Seen:
    """Returns which of the examples the model in a folder was trained on."""
    return trained_on.find_seen(trained_on.read_record(str(folder)), examples)


def judge_examples(reader: Reader, examples: pa.Table) -> Judgement:
    """Answers all questions as the model serves, and scores the answers.

    Args:
        reader: The model, with the threshold and the rule that it was registered with.
        examples: Of schema `artifacts.EXAMPLES`.
    """
    questions = Questions.read(examples)
    started = time.monotonic()
    judged = judge(
        questions,
        reader.find_candidates(examples, title="evaluate"),
        reader.answering.null_threshold,
        search=False,
        rule=reader.answering.answer_rule,
    )
    seconds = time.monotonic() - started
    figures = measure_intervals(judged)
    return Judgement(questions, judged, figures, seconds, _compare_thresholds(questions, judged))


def find_errors(examples: pa.Table, judgement: Judgement) -> pa.Table:
    """Returns the wrong answers of a judgement, in a table of schema `artifacts.ERRORS`.

    Args:
        examples: What was judged, of schema `artifacts.EXAMPLES`.
        judgement: What `judge_examples` returned for them.
    """
    judged = judgement.judged
    score = judged.best_spans.score
    return evaluation.find_errors(examples, judgement.questions, judged.answers, score, None)


def _compare_thresholds(questions: Questions, judged: JudgedAnswers) -> dict[str, Threshold]:
    """Compares the model's own threshold with none, and with the best one for this file."""
    if questions.has_answer.all():
        return {}
    score = judged.best_spans.score
    best = ranking.find_threshold(score, judged.best_spans.exact, questions.has_answer)
    values = {"its own": judged.null_threshold, "none": None, "best here": best}
    found = {}
    for name, value in values.items():
        chosen = ranking.apply_threshold(judged.answers.best, score, value)
        each = metrics.score_answers(questions.golds, chosen, questions.rule)
        official = metrics.summarize(*each, questions.has_answer)
        found[name] = Threshold(value, read_official(official))
    return found
