"""The official scores as a metric of the `evaluate` library, built here: nothing is downloaded.

    metric = load_metric("v2", with_probabilities=True)
    metric.add_batch(predictions=[...], references=[...])
    metric.compute()

Owns only the shape of inputs; the figures are those of `scoring`, the same to the last digit as
`squadron score` gives.
"""

import functools
from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

from squadron.errors import InputError
from squadron.scores.metrics import RULES, Rule
from squadron.scores.official_layout import check_null_odds
from squadron.scores.scoring import score_parsed

_DESCRIPTION = """
Exact match and F1 as the official SQuAD evaluations define them (Rajpurkar et al. 2016, 2018).
"""
_INPUTS = """
Args:
    predictions: One {"id", "prediction_text"} per question, "" for "no answer" and None for a
        missing answer, which is wrong; where the metric was loaded with probabilities, with
        "no_answer_probability" (any number, higher is more likely unanswerable).
    references: One {"id", "answers": {"text": [...], "answer_start": [...]}} per question, in the
        order of the data; empty lists for an unanswerable one.
    no_answer_threshold: Answers with a no-answer probability above it become "".

Returns:
    exact, f1, total, the same three with HasAns_ and with NoAns_ where there are such questions;
    with probabilities also best_exact, best_exact_thresh, best_f1 and best_f1_thresh. Scores are
    0 to 100.
"""


class Prediction(TypedDict):
    """One row of `predictions`."""

    id: str
    prediction_text: str | None
    no_answer_probability: NotRequired[float]


class Answers(TypedDict):
    """All accepted answers; empty lists for an unanswerable question."""

    text: list[str]
    answer_start: list[int]


class Reference(TypedDict):
    """One row of `references`."""

    id: str
    answers: Answers


def load_metric(rule: Rule = "v2", *, with_probabilities: bool = False, **options: Any) -> Any:
    """A metric with the usual compute, add and add_batch.

    Args:
        rule: "v2" or "v1.1", which knows no unanswerable question.
        with_probabilities: Whether each prediction brings its no_answer_probability.
        options: Of `evaluate.Metric`. Inputs are kept in memory unless `keep_in_memory=False`.

    Returns:
        An `evaluate.Metric`.

    Raises:
        InputError: If the rule is not known.
    """
    if rule not in RULES:
        raise InputError(
            f"The rule of the metric is {rule!r}; it must be one of {', '.join(map(repr, RULES))}."
        )
    name = f"{rule}-probabilities" if with_probabilities else rule
    return _build_class()(name, **{"keep_in_memory": True, **options})


@functools.cache
def _build_class() -> Any:
    """The class, which needs its base: `evaluate` takes seconds to import, so only here."""
    import evaluate
    from datasets import Features, Value
    from datasets import Sequence as Many

    class SquadronSquad(evaluate.Metric):  # type: ignore[misc]
        """What is scored how is in the name of the configuration."""

        def _info(self) -> Any:
            # The library refuses None as the first `string`; as a `large_string` it may be missing.
            prediction = {"id": Value("string"), "prediction_text": Value("large_string")}
            if self.config_name.endswith("-probabilities"):
                prediction["no_answer_probability"] = Value("float64")
            answers = Many({"text": Value("string"), "answer_start": Value("int32")})
            features = {
                "predictions": prediction,
                "references": {"id": Value("string"), "answers": answers},
            }
            return evaluate.MetricInfo(
                description=_DESCRIPTION,
                citation="",
                inputs_description=_INPUTS,
                features=Features(features),
            )

        def _compute(
            self,
            predictions: Sequence["Prediction"],
            references: Sequence["Reference"],
            no_answer_threshold: float = 1.0,
        ) -> dict[str, float]:
            is_v2 = not self.config_name.startswith("v1.1")
            return _score(predictions, references, no_answer_threshold, is_v2)

    return SquadronSquad


def _score(
    predictions: Sequence[Prediction],
    references: Sequence[Reference],
    threshold: float,
    is_v2: bool,
) -> dict[str, float]:
    questions: list[dict[str, object]] = []
    for reference in references:
        texts = reference["answers"]["text"]
        if not texts and not is_v2:
            raise InputError(
                f"The reference {reference['id']!r} has no answers, which the v1.1 rule does not "
                'know; give it an answer or use load_metric("v2").'
            )
        question: dict[str, object] = {
            "id": reference["id"],
            "answers": [{"text": text} for text in texts],
        }
        questions.append({**question, "is_impossible": not texts} if is_v2 else question)
    texts_by_id: dict[str, str] = {}
    odds: dict[str, float] = {}
    seen: set[str] = set()
    for prediction in predictions:
        name = prediction["id"]
        if name in seen:
            raise InputError(f"The prediction {name!r} is there twice; give one per question.")
        seen.add(name)
        if prediction["prediction_text"] is not None:
            texts_by_id[name] = prediction["prediction_text"]
        if "no_answer_probability" in prediction:
            odds[name] = prediction["no_answer_probability"]
    score = score_parsed(
        {"data": [{"paragraphs": [{"qas": questions}]}]},
        texts_by_id,
        check_null_odds(odds, "the no-answer probabilities") if odds else None,
        data_name="the references",
        null_odds_name="the no-answer probabilities",
        threshold=threshold,
    )
    return score.summary
