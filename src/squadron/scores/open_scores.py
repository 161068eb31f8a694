"""Scores answers whose passage had to be found first."""

from dataclasses import replace

import pyarrow as pa

from squadron.scores import metrics, significance
from squadron.scores.evaluation import Questions
from squadron.scores.open_domain import MethodFigures


def score_answers(answers: pa.Table, questions: Questions) -> pa.Table:
    """Returns answers with their exact match and F1.

    Args:
        answers: Of schema artifacts.OPEN_ANSWERS; its scores are replaced.
        questions: All questions that they answer.
    """
    golds = dict(zip(questions.ids, questions.golds, strict=True))
    own = [golds[name] for name in answers["id"].to_pylist()]
    scores = metrics.score_answers(own, answers["answer"].to_pylist(), questions.rule)
    for name, values in zip(("exact_match", "f1"), scores, strict=True):
        place = answers.schema.get_field_index(name)
        answers = answers.set_column(place, answers.schema.field(name), pa.array(values))
    return answers


def measure_methods(answers: pa.Table, questions: Questions) -> dict[str, MethodFigures]:
    """Returns the figures of each search method, in the order of the methods.

    Args:
        answers: As `score_answers` returned them: method by method, in the order of the questions.
        questions: The questions.
    """
    methods = answers["method"].to_numpy(zero_copy_only=False)
    measured = {}
    for method in dict.fromkeys(methods.tolist()):
        own = answers.filter(pa.array(methods == method))
        right = own["is_right"].to_numpy(zero_copy_only=False)[questions.has_answer]
        share = 100.0 * float(right.mean()) if len(right) else None
        measured[method] = replace(measure_scores(own, questions), right_passage=share)
    return measured


def measure_scores(scores: pa.Table, questions: Questions) -> MethodFigures:
    """Returns EM and F1 with their intervals by paragraph.

    Args:
        scores: With the columns id, exact_match and f1, one row per question in their order.
        questions: The questions.

    Raises:
        ValueError: If the rows are of other questions.
    """
    if scores["id"].to_pylist() != questions.ids:
        raise ValueError("The scores are not of these questions.")
    clusters = significance.cluster_numbers(questions.contexts)
    found: dict[str, float] = {}
    for name in ("exact_match", "f1"):
        values = 100.0 * scores[name].to_numpy()
        low, high = significance.interval(values, clusters)
        found |= {name: float(values.mean()), f"{name}_low": low, f"{name}_high": high}
    return MethodFigures(**found)
