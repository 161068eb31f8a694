"""Validates examples: checks every answer against its context, then repairs or rejects it.

An answer is repaired only if the repair is unambiguous. Owns the reasons and the report; reads and
writes no files.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from squadron.data.question_types import TYPES
from squadron.data.sources import Answer, Example
from squadron.errors import InputError

# How many characters a start may be off. A start is moved if only one occurrence of the answer is
# this near. Off-by-one labels and lost spaces stay within this limit.
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
"""Kind of repair -> what ingest prints after its count."""


@dataclass
class Report:
    """Counts of what happened to the examples of one ingest."""

    accepted: int = 0
    repaired: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[str]] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """The number of examples that were read."""
        return self.accepted + self.rejected.total()

    def note(self, counter: "Counter[str]", reason: str, example: Example) -> None:
        """Counts a case, and keeps the first few cases as samples."""
        counter[reason] += 1
        samples = self.samples.setdefault(reason, [])
        if len(samples) < SAMPLES_PER_REASON:
            sample = f"{example.where or example.id} (question {example.id})"
            # An id may hold half a surrogate pair, which UTF-8 can not encode.
            samples.append(sample.encode(errors="backslashreplace").decode())

    def describe(self) -> list[str]:
        """Returns one line about repairs and one about rejections; no line without any."""
        repaired = [f"{n:,} x {REPAIRS[reason]}" for reason, n in self.repaired.most_common()]
        rejected = [f"{n:,} x {reason}" for reason, n in self.rejected.most_common()]
        lines = {"repaired": repaired, "rejected": rejected}
        return [f"{what}: {', '.join(found)}" for what, found in lines.items() if found]


def validate_examples(examples: Iterable[Example], report: Report) -> list[Example]:
    """Returns the valid examples, some of them repaired, and counts repairs and rejections.

    An example with several answers loses only the answers that can't be repaired. It is rejected if
    no answer is left. Of several examples with one id, the first is kept.
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
    """Refuses data with too many rejected examples.

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
    """Returns the reason to reject an example, or "". Repairs the example in place.

    Args:
        example: Any example.
        seen: The ids of the examples that were kept so far.
        contexts: Context -> what `_judge_context` returned, because many examples may share a long
            context.
        report: Gets the repairs.
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
    """Returns the reason to reject examples with this context, or ""."""
    if not context.strip():
        return EMPTY_CONTEXT
    try:
        context.encode()
    except UnicodeEncodeError:
        return HALF_A_PAIR
    return ""


def _repair(answer: Answer, context: str) -> str:
    """Checks that the answer is where it says, and repairs it in place if not.

    Returns:
        "" for a right answer, "repaired: " and how for a repaired one, else the reason to drop it.
    """
    text, start = answer.text, answer.start_char
    if text and start >= 0 and context.startswith(text, start):
        # Spans of tokens never have blanks around them, so the answer must not have any.
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
        # Perhaps only the blanks differ, such as "a b" for "a\r\nb" or "a  b" in the context.
        how = INSIDE
        spans = _occurrences(context, r"\s+".join(map(re.escape, text.split())))
    near = [span for span in spans if abs(span[0] - start) <= REPAIR_REACH]
    if len(near) == 1 or (not near and len(spans) == 1):
        answer.start_char, end_char = (near or spans)[0]
        answer.text = context[answer.start_char : end_char]
        return f"repaired: {how}"
    return "answer not in the context" if not spans else "answer occurs more than once"


def _occurrences(context: str, pattern: str) -> list[tuple[int, int]]:
    """Returns [start, end) of all matches of the pattern, including overlapping ones."""
    return [match.span(1) for match in re.finditer(f"(?=({pattern}))", context)]
