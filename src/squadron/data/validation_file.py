"""The records of what validation found, for validation.json of a race and `squadron check`."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from squadron.wording import counted


@dataclass(frozen=True)
class Sample:
    """One case of a repair, a rejection or a note. Its texts stand on one line each."""

    reason: str
    """The kind of repair, or the reason of the rejection or the note."""
    where: str
    """File and record; the id if the source names no record."""
    id: str
    """Id of the question."""
    text: str
    """The answer in brackets and the context around it, or the question."""

    @property
    def place(self) -> str:
        """The file and the record of the case, as messages name them."""
        return f"{self.where} (question {self.id})"


@dataclass(frozen=True)
class SizeSummary:
    """Lengths in characters."""

    count: int
    median: int
    longest: int


@dataclass(frozen=True)
class Finding:
    """One reason, and what happened to the examples that have it."""

    what: str
    """"repaired", "rejected" or "noted"."""
    reason: str
    count: int
    samples: tuple[Sample, ...]


@dataclass(frozen=True)
class Findings:
    """What validation found in the examples."""

    total: int
    """Examples that were read."""
    accepted: int
    unanswerable: int
    """Accepted examples without an answer."""
    repaired: dict[str, int]
    """Kind of repair -> number of repairs. An example may need several."""
    rejected: dict[str, int]
    """Reason -> number of examples."""
    noted: dict[str, int]
    """What is doubtful and was left as it is -> number of examples; of contexts, if it concerns a
    context, however many examples share it."""
    samples: tuple[Sample, ...]
    """The first few cases of each reason."""
    sizes: dict[str, SizeSummary]
    """"contexts" (each different one), "questions" and "answers" of the accepted examples."""

    @property
    def rejected_share(self) -> float:
        """The share of the examples that were rejected, 0 to 1."""
        return sum(self.rejected.values()) / max(1, self.total)

    def list_all(self) -> Iterator[Finding]:
        """Yields rejections, repairs and notes, the most frequent of each first."""
        for what in ("rejected", "repaired", "noted"):
            counts: dict[str, int] = getattr(self, what)
            for reason, count in sorted(counts.items(), key=lambda item: -item[1]):
                samples = tuple(each for each in self.samples if each.reason == reason)
                yield Finding(what, reason, count, samples)


@dataclass(frozen=True)
class CheckedFile:
    """A file that `squadron check` read."""

    location: str
    source: str
    """The file of `sources/` that read it."""


@dataclass(frozen=True)
class Check:
    """What `squadron check --json` prints."""

    SCHEMA: ClassVar[str] = "check/1"

    made_from: str
    files: tuple[CheckedFile, ...]
    findings: Findings
    reasoning_types: dict[str, dict[str, int]]
    """Source of labels ("data" or "rules") -> type -> number of accepted questions."""
    max_rejected_share: float
    """What a race allows by default, 0 to 1."""

    @property
    def is_usable(self) -> bool:
        """Says whether a race with default settings would take the data."""
        found = self.findings
        return found.accepted > 0 and found.rejected_share <= self.max_rejected_share


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
class SyntheticSummary:
    """The questions of train that rules made from documents (`data.synthesize`)."""

    questions: int = 0
    """Synthetic questions in train."""
    available: int = 0
    """How many there were before `data.synthesize.max_examples` drew some."""
    methods: dict[str, int] = field(default_factory=dict)
    """Method -> number of its questions in train."""
    documents: dict[str, int] = field(default_factory=dict)
    """Name of each document that was read -> number of its questions in train."""
    passages: int = 0
    """Passages of these documents."""
    passages_left_out: int = 0
    """Passages without questions because they are very short, or because they share text with a
    context of tune, select or test."""
    refused: dict[str, str] = field(default_factory=dict)
    """Name of each file that was not read -> why."""
    notes: tuple[str, ...] = ()
    """One sentence for each part of a document that was left out, though the document was read."""

    def describe(self, train: int) -> str:
        """Returns a sentence for people; "" without synthetic questions.

        Args:
            train: Number of all questions of the split train.
        """
        if not self.questions:
            return ""
        drawn = f"; drawn from {self.available:,}" if self.questions < self.available else ""
        methods = ", ".join(f"{count:,} {name}" for name, count in self.methods.items())
        used = sum(count > 0 for count in self.documents.values())
        return (
            f"{self.questions:,} of the {train:,} questions of train are synthetic: rules made "
            f"them from {counted(used, 'document')} ({methods}{drawn})."
        )


@dataclass(frozen=True)
class Validation:
    """The content of validation.json."""

    SCHEMA: ClassVar[str] = "validation/2"

    made_from: str
    findings: Findings
    figures: dict[str, float]
    split_by: str
    splits: dict[str, SplitSummary]
    leakage: LeakageSummary
    train_only: TrainOnlySummary
    synthetic: SyntheticSummary = field(default_factory=SyntheticSummary)

    def describe_synthetic(self) -> str:
        """Returns how many questions of train are synthetic, in a sentence; "" if none is."""
        return self.synthetic.describe(self.splits["train"].examples)
