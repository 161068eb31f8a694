"""Counts what happened to the examples while they were validated, and keeps a few samples."""

from array import array
from collections import Counter
from dataclasses import dataclass, field

from squadron.data.sources import Answer, Example
from squadron.data.validation_file import Findings, Sample, SizeSummary
from squadron.errors import InputError

SAMPLES_PER_REASON = 5
AROUND_CHARS = 30
"""Characters of the context that a sample shows on each side of the answer."""
ANSWER_CHARS = 60
"""Characters that a sample shows of an answer."""
SAMPLE_CHARS = 200
"""Characters that a sample has at most, without escapes."""


@dataclass
class Sizes:
    """Lengths in characters."""

    contexts: "array[int]" = field(default_factory=lambda: array("l"))
    """Of each different context."""
    questions: "array[int]" = field(default_factory=lambda: array("l"))
    answers: "array[int]" = field(default_factory=lambda: array("l"))

    def summarise(self) -> dict[str, SizeSummary]:
        """Returns the summary of contexts, questions and answers."""
        return {name: _summarise_lengths(lengths) for name, lengths in vars(self).items()}


@dataclass
class Report:
    """Counts of what happened to the examples of one ingest."""

    accepted: int = 0
    unanswerable: int = field(default=0, compare=False)
    """Accepted examples without an answer."""
    repaired: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    noted: Counter[str] = field(default_factory=Counter)
    """What is doubtful and stays as it is."""
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    sizes: Sizes = field(default_factory=Sizes, compare=False)
    """Of the accepted examples."""

    @property
    def total(self) -> int:
        """The number of examples that were read."""
        return self.accepted + self.rejected.total()

    def note(
        self,
        counter: "Counter[str]",
        reason: str,
        example: Example,
        shown: Answer | str = "",
    ) -> None:
        """Counts a case, and keeps the first few cases as samples.

        Args:
            counter: One of the counters of this report.
            reason: What was found.
            example: The example.
            shown: What a sample shows: the answer or another part of the context, or a text; with
                "", the question.
        """
        counter[reason] += 1
        samples = self.samples.setdefault(reason, [])
        if len(samples) < SAMPLES_PER_REASON:
            if isinstance(shown, Answer):
                shown = _show_part(example.context, shown)
            text = show(_shorten(shown or example.question, SAMPLE_CHARS))
            where = show(example.where or example.id)
            samples.append(Sample(reason, where, show(example.id), text))

    def describe(self) -> list[str]:
        """Returns a line each about repairs, rejections and notes; no line without any."""
        lines = {"repaired": self.repaired, "rejected": self.rejected, "noted": self.noted}
        return [
            f"{what}: {', '.join(f'{n:,} x {reason}' for reason, n in found.most_common())}"
            for what, found in lines.items()
            if found
        ]

    def summarise(self) -> Findings:
        """Returns the report as it stands in files."""
        return Findings(
            total=self.total,
            accepted=self.accepted,
            unanswerable=self.unanswerable,
            repaired=dict(sorted(self.repaired.items())),
            rejected=dict(sorted(self.rejected.items())),
            noted=dict(sorted(self.noted.items())),
            samples=tuple(each for some in self.samples.values() for each in some),
            sizes=self.sizes.summarise(),
        )


def check_rejected_share(report: Report, max_share: float) -> None:
    """Refuses data with too many rejected examples.

    Raises:
        InputError: If more than `max_share` (0 to 1) of the examples were rejected.
    """
    rejected = report.rejected.total()
    if report.total and rejected / report.total > max_share:
        reasons = "; ".join(
            f"{count:,} x {reason!r}, such as {report.samples[reason][0].place}"
            for reason, count in report.rejected.most_common()
        )
        raise InputError(
            f"{rejected} of {report.total} examples were rejected "
            f"({rejected / report.total:.1%}, at most {max_share:.1%} is allowed): {reasons}. Mend "
            "the data or raise data -> max_rejected_share"
        )


def show(text: str) -> str:
    """Returns a text on one line, with escapes for characters that a terminal would not show."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in text
    )


def _show_part(context: str, part: Answer) -> str:
    """Returns the context around a part of it, with the part in brackets.

    If the part does not stand where it says, it comes before the context around its start.
    """
    text = _shorten(part.text, ANSWER_CHARS)
    start = max(part.start_char, 0)
    if start > len(context):
        return f'"{text}" at {part.start_char:,} of {len(context):,} characters'
    is_there = part.start_char >= 0 and context.startswith(part.text, start)
    end = start + len(part.text) * is_there
    before = context[max(start - AROUND_CHARS, 0) : start]
    after = context[end : end + AROUND_CHARS]
    before = f"{'…' * (start > AROUND_CHARS)}{before}"
    after = f"{after}{'…' * (end + AROUND_CHARS < len(context))}"
    if is_there:
        return f"{before}[{text}]{after}"
    return f'"{text}" at {part.start_char:,}: {before}[]{after}'


def _shorten(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _summarise_lengths(lengths: "array[int]") -> SizeSummary:
    """Returns count, median and longest; the upper one of two medians."""
    if not lengths:
        return SizeSummary(0, 0, 0)
    ordered = sorted(lengths)
    return SizeSummary(len(ordered), ordered[len(ordered) // 2], ordered[-1])
