"""The content of validation.json: what ingest read, repaired, rejected and split."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class SplitSummary:
    """One split."""

    examples: int
    titles: tuple[str, ...]
    """Sorted."""
    unanswerable: int
    """Number of questions without an answer."""
    reasoning_types: dict[str, dict[str, int]]
    """Source of labels -> type -> number of questions."""
    digest: str
    files: tuple[str, ...]
    """The files from which its examples may come."""


@dataclass(frozen=True)
class SplitLeakageSummary:
    """What one judged split shares with train; a unit is a paragraph or a question."""

    units: int
    units_also_in_train: int
    share: float
    """Of the units that are also in train, 0 to 1."""
    question_texts_also_in_train: int
    titles_also_in_train: int
    samples: tuple[str, ...]
    """The beginning of the first shared units."""


@dataclass(frozen=True)
class TitleGroups:
    """Titles that count as one."""

    count: int
    samples: tuple[tuple[str, ...], ...]
    """The first groups."""


@dataclass(frozen=True)
class LeakageSummary:
    """What the splits share."""

    unit: str
    """"paragraph" or "question"."""
    max_shared_share: float
    """Above this share, the race is refused."""
    splits: dict[str, SplitLeakageSummary]
    """Judged split -> what it shares with train."""
    in_several_splits: dict[str, int]
    """The number of titles, paragraphs and questions that are in more than one split."""
    titles_with_several_spellings: TitleGroups
    titles_that_share_paragraphs: TitleGroups


@dataclass(frozen=True)
class TrainOnlySummary:
    """The examples of `data.train_only`."""

    examples: int
    questions_also_in_train: int
    """Questions that `data.train` has, too; they are trained on once."""


@dataclass(frozen=True)
class Validation:
    """The content of validation.json."""

    SCHEMA: ClassVar[str] = "validation/1"

    made_from: str
    total: int
    """Examples that were read."""
    accepted: int
    repaired: dict[str, int]
    """Kind of repair -> number of examples."""
    rejected: dict[str, int]
    """Reason -> number of examples."""
    samples: dict[str, tuple[str, ...]]
    """Kind or reason -> where the first few examples stand."""
    figures: dict[str, float]
    split_by: str
    splits: dict[str, SplitSummary]
    leakage: LeakageSummary
    train_only: TrainOnlySummary
