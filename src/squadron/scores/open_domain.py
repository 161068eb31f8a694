"""How well a race's questions are answered if the passage must be found first.

The records of the steps index and answer. `retrieval` finds passages and `open_domain` answers from
them.
"""

from dataclasses import dataclass, field
from typing import ClassVar

from squadron.scores.figures import Estimates


@dataclass(frozen=True)
class SearchedIndex:
    """The index in which questions were asked."""

    digest: str
    """`IndexRecord.content_digest`: equal for equal passages."""
    documents: int
    passages: int
    encoder: str
    place: str = ""
    """Where the race left it; "" if that is not known."""


@dataclass(frozen=True)
class Recall:
    """How often a search finds a passage with the answer. The values are 0 to 100.

    They are None if no question that was asked has an answer.
    """

    at_1: float | None
    """Among the first passage."""
    at_5: float | None
    """Among the first five."""
    at_20: float | None
    """Among the first twenty."""


@dataclass(frozen=True)
class SearchedSplit:
    """The questions of a split that were asked, and what the searches found."""

    questions: int
    answerable: int
    """Those with an answer; recall is about them."""
    by_context: int
    """Answerable questions whose own context is a passage: only that one counts as right. For
    others, every passage with the text of a gold answer does."""
    recall: dict[str, Recall]
    """Search method -> recall."""


@dataclass(frozen=True)
class Searches:
    """The content of searches.json: what the step index built and found."""

    SCHEMA: ClassVar[str] = "searches/1"

    made_from: str
    index: SearchedIndex
    splits: dict[str, SearchedSplit]
    figures: dict[str, float] = field(default_factory=dict)
    """Of the step, as MLflow shows them."""


@dataclass(frozen=True)
class MethodFigures(Estimates):
    """The answers of one contender from the passages that one search found, 0 to 100."""

    exact_match: float
    f1: float
    right_passage: float | None = None
    """The share of answerable questions whose passage with the most probable answer is a right one:
    recall at 1 after the reader has chosen."""
    exact_match_low: float | None = None
    """Start of the 95 % interval by paragraph."""
    exact_match_high: float | None = None
    f1_low: float | None = None
    f1_high: float | None = None


@dataclass(frozen=True)
class OpenSplit:
    """One contender on the questions of a split that were asked."""

    searched: SearchedSplit
    given: MethodFigures
    """The same questions with their own context given, as in the race."""
    methods: dict[str, MethodFigures]
    """Search method -> figures."""


@dataclass(frozen=True)
class OpenDomain:
    """One contender on questions whose passage must be found first."""

    index: SearchedIndex
    splits: dict[str, OpenSplit]

    def flat(self) -> dict[str, float]:
        """Returns name -> figure as MLflow has them: select_open_hybrid_exact_match, ..."""
        found: dict[str, float | None] = {}
        for name, split in self.splits.items():
            sides = {"given": split.given, **split.methods}
            for method, figures in sides.items():
                prefix = f"{name}_open_{method}"
                found |= {f"{prefix}_{key}": value for key, value in vars(figures).items()}
                recall = split.searched.recall.get(method)
                known = vars(recall) if recall else {}
                found |= {f"{prefix}_recall_{key}": value for key, value in known.items()}
        return {key: value for key, value in found.items() if value is not None}
