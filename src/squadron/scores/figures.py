"""The figures of one contender on one split, and an estimate with its intervals."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from squadron.wording import Estimate


class Estimates:
    """What has fields such as `f1`, `f1_low` and `f1_high`, of which `estimate` makes one thing."""

    def estimate(self, name: str, by: str = "") -> Estimate:
        """Returns a figure with its interval, 0 to 100.

        Args:
            name: "exact_match" or "f1".
            by: "" for the interval by paragraph, "title" for the interval by title.
        """
        prefix = f"{name}_{by}" if by else name
        ends = (getattr(self, f"{prefix}_{end}", None) for end in ("low", "high"))
        return Estimate(getattr(self, name), *ends)


@dataclass(frozen=True)
class SplitFigures(Estimates):
    """The figures of one contender on one split.

    Figures are means over the questions, 0 to 100, unless they say something else. None stands for
    a figure that was not measured or that the questions do not have.
    """

    exact_match: float
    f1: float
    total: int
    """The number of questions."""
    answered: float
    """The share of questions that it answered."""
    all_null_exact_match: float
    """EM of a model that answers no question."""
    answerable_f1: float
    """F1 on the answerable questions if each were answered, threshold or not."""
    span_accuracy: float
    """The share of answers with both edges exactly right."""
    precision: float
    """Of the words of the answers."""
    recall: float
    """Of the words of the answers."""
    has_ans_exact_match: float | None = None
    """On the questions with an answer, like all `has_ans_` figures."""
    has_ans_f1: float | None = None
    has_ans_total: int | None = None
    no_ans_exact_match: float | None = None
    """On the questions without an answer, like all `no_ans_` figures."""
    no_ans_f1: float | None = None
    no_ans_total: int | None = None
    paragraphs: int | None = None
    """The number of paragraphs. Where all questions share one, each question counts as one."""
    titles: int | None = None
    """The number of titles."""
    exact_match_low: float | None = None
    """Start of the 95 % interval for more paragraphs of these titles."""
    exact_match_high: float | None = None
    f1_low: float | None = None
    f1_high: float | None = None
    exact_match_title_low: float | None = None
    """Start of the 95 % interval for other titles; None where there are too few titles."""
    exact_match_title_high: float | None = None
    f1_title_low: float | None = None
    f1_title_high: float | None = None
    ece: float | None = None
    """Expected calibration error of the probabilities, 0 to 1."""
    ece_before: float | None = None
    """Expected calibration error of the plain sigmoid of the scores, 0 to 1."""
    aurc: float | None = None
    """Area under the risk-coverage curve, 0 to 1."""
    oracle_exact_match: float | None = None
    """The best that the candidates would allow. No contender is ranked by it."""
    oracle_f1: float | None = None
    bertscore_precision: float | None = None
    bertscore_recall: float | None = None
    bertscore_f1: float | None = None
    types: dict[str, float] = field(default_factory=dict)
    """How well it tells the types of questions that the data label (`question_types.score_types`).
    """
    types_rules: dict[str, float] = field(default_factory=dict)
    """The same for questions whose type only rules guess."""

    def flat(self) -> dict[str, float]:
        """Returns name -> figure for all figures that are known, as MLflow has them."""
        found: dict[str, float] = {}
        for name, value in vars(self).items():
            if isinstance(value, Mapping):
                found |= {f"{name}_{each}": figure for each, figure in value.items()}
            elif value is not None:
                found[name] = value
        return found


def read_official(summary: Mapping[str, float]) -> dict[str, float]:
    """Returns official figures (`metrics.summarize`) by the names of `SplitFigures`.

    >>> read_official({"exact": 50.0, "f1": 60.0, "HasAns_exact": 50.0})
    {'exact_match': 50.0, 'f1': 60.0, 'has_ans_exact_match': 50.0}
    """
    names = {"HasAns": "has_ans", "NoAns": "no_ans", "exact": "exact_match"}
    return {
        "_".join(names.get(part, part) for part in key.split("_")): value
        for key, value in summary.items()
    }
