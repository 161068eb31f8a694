"""Judges examples: every answer is round-tripped, repaired when unambiguous, else rejected.

Owns the reasons and the report; reads and writes nothing.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from squadron.data.question_types import TYPES
from squadron.data.sources import Answer, Example
from squadron.errors import InputError

# How far a start may be off and still be moved without doubt: the nearest occurrence must be the
# only one this close. Off-by-one labels and lost spaces stay within it.
REPAIR_REACH = 16
SAMPLES_PER_REASON = 5
EMPTY_CONTEXT = "empty context"
HALF_A_PAIR = "half a surrogate pair in the text"
MOVED, TRIMMED = "start moved to the only occurrence", "blanks around the answer"
INSIDE = "blanks inside the answer"
ONE_DROPPED = "one of several answers dropped"
ALL_DROPPED = "answers of an unanswerable question dropped"
GUESSED = "unknown reasoning type, guessed instead"
REPAIRS = {
    MOVED: "answer moved to where it stands",
    TRIMMED: "answer trimmed of blanks",
    INSIDE: "answer given the blanks of its context",
    ONE_DROPPED: "question freed of wrong answers",
    ALL_DROPPED: "unanswerable question freed of answers",
    GUESSED: "unknown type of reasoning guessed instead",
}
"""What ingest says of each kind of repair, after its count."""


@dataclass
class Report:
    """What happened to the examples of one ingest."""

    accepted: int = 0
    repaired: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Examples seen."""
        return self.accepted + self.rejected.total()

    def note(self, counter: "Counter[str]", reason: str, example: Example) -> None:
        """Counts a case and keeps the first few as samples."""
        counter[reason] += 1
        samples = self.samples.setdefault(reason, [])
        if len(samples) < SAMPLES_PER_REASON:
            sample = f"{example.where or example.id} (question {example.id})"
            samples.append(sample.encode(errors="backslashreplace").decode())  # any id can be kept

    def describe(self) -> list[str]:
        """What was repaired and what was rejected, as one line each; none where nothing was."""
        repaired = [f"{n:,} x {REPAIRS[reason]}" for reason, n in self.repaired.most_common()]
        rejected = [f"{n:,} x {reason}" for reason, n in self.rejected.most_common()]
        lines = {"repaired": repaired, "rejected": rejected}
        return [f"{what}: {', '.join(found)}" for what, found in lines.items() if found]

    def as_dict(self) -> dict[str, Any]:
        """For validation.json."""
        return {
            "total": self.total,
            "accepted": self.accepted,
            "repaired": dict(sorted(self.repaired.items())),
            "rejected": dict(sorted(self.rejected.items())),
            "samples": self.samples,
        }


def validate_examples(examples: Iterable[Example], report: Report) -> list[Example]:
    """Keeps what is right, repairs what is unambiguous, rejects and counts the rest.

    An example with several answers loses only the answers that can't be repaired; with none left
    it is rejected. The first occurrence of an id wins.
    """
    kept: list[Example] = []
    seen: set[str] = set()
    contexts: dict[str, str] = {}
    for example in examples:
        reason = _judge(example, seen, contexts, report)
        if reason:
            report.note(report.rejected, reason, example)
            continue
        seen.add(example.id)
        report.accepted += 1
        kept.append(example)
    return kept


def check_rejected_share(report: Report, max_share: float) -> None:
    """Stops a run whose data is mostly broken.

    Raises:
        InputError: If more than `max_share` (0 to 1) of the examples were rejected.
    """
    rejected = report.rejected.total()
    if report.total and rejected / report.total > max_share:
        reasons = "; ".join(
            f"{count:,} x {reason!r}, such as {report.samples[reason][0]}"
            for reason, count in report.rejected.most_common()
        )
        raise InputError(
            f"{rejected} of {report.total} examples were rejected "
            f"({rejected / report.total:.1%}, at most {max_share:.1%} is allowed): {reasons}. Mend "
            "the data or raise data -> max_rejected_share"
        )


def _judge(example: Example, seen: set[str], contexts: dict[str, str], report: Report) -> str:
    """The reason to reject an example, or an empty string; repairs it in place.

    `contexts` remembers what was found about each context, as many examples may share a long one.
    """
    if not example.id:
        return "no id"
    if example.id in seen:
        return "id used twice"
    if not example.question.strip():
        return "empty question"
    if example.context not in contexts:
        contexts[example.context] = _judge_context(example.context)
    if contexts[example.context] == EMPTY_CONTEXT:
        return EMPTY_CONTEXT
    try:
        for text in (example.id, example.title, example.question, example.reasoning_type):
            text.encode()
    except UnicodeEncodeError:
        return HALF_A_PAIR
    if contexts[example.context]:
        return contexts[example.context]
    if example.reasoning_type and example.reasoning_type not in TYPES:
        report.note(report.repaired, GUESSED, example)
        example.reasoning_type = ""
    if example.is_impossible:
        if example.answers:
            report.note(report.repaired, ALL_DROPPED, example)
            example.answers = []
        return ""
    if not example.answers:
        return "no answer and not marked unanswerable"
    kept: list[Answer] = []
    reason = ""
    for answer in example.answers:
        repair = _repair(answer, example.context)
        if repair == "":
            kept.append(answer)
        elif repair.startswith("repaired"):
            report.note(report.repaired, repair.removeprefix("repaired: "), example)
            kept.append(answer)
        else:
            reason = repair
    if kept and len(kept) < len(example.answers):
        report.note(report.repaired, ONE_DROPPED, example)
    example.answers = kept
    return "" if kept else reason


def _judge_context(context: str) -> str:
    """The reason to reject what has this context, or an empty string."""
    if not context.strip():
        return EMPTY_CONTEXT
    try:
        context.encode()
    except UnicodeEncodeError:
        return HALF_A_PAIR
    return ""


def _repair(answer: Answer, context: str) -> str:
    """Empty if the answer stands where it says; "repaired: how" if moved there; else the reason."""
    text, start = answer.text, answer.start_char
    if text and start >= 0 and context.startswith(text, start):
        # A span with blanks around it would never match what a tokeniser can give back.
        stripped = text.strip()
        if not stripped:
            return "empty answer"
        if stripped != text:
            answer.start_char += len(text) - len(text.lstrip())
            answer.text = stripped
            return f"repaired: {TRIMMED}"
        return ""
    text = text.strip()
    if not text:
        return "empty answer"
    how = MOVED
    spans = _occurrences(context, re.escape(text))
    if not spans:
        # Only the blanks may differ, such as "a b" for "a\r\nb" or "a  b" of the context.
        how = INSIDE
        spans = _occurrences(context, r"\s+".join(map(re.escape, text.split())))
    near = [span for span in spans if abs(span[0] - start) <= REPAIR_REACH]
    if len(near) == 1 or (not near and len(spans) == 1):
        answer.start_char, end_char = (near or spans)[0]
        answer.text = context[answer.start_char : end_char]
        return f"repaired: {how}"
    return "answer not in the context" if not spans else "answer occurs more than once"


def _occurrences(context: str, pattern: str) -> list[tuple[int, int]]:
    """Every [start, end) of the pattern, overlapping ones too."""
    return [match.span(1) for match in re.finditer(f"(?=({pattern}))", context)]
