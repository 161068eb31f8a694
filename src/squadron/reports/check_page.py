"""The page that `squadron check` prints: totals, sizes, findings and samples, as plain text."""

import io
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from squadron.data.validation_file import Check, Finding, Findings
from squadron.reports.plain_tables import make_table
from squadron.wording import join_words

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

GAP = 2
"""Blanks between two columns."""
FROM = {"data": "by the data", "rules": "guessed from words"}
"""Source of labels -> how the page names it."""


def render_check(check: Check, width: int, samples: int) -> str:
    """Returns the page.

    Args:
        check: What was found.
        width: Columns of the page; 60 or more read well.
        samples: The most samples to show of each reason.
    """
    findings = check.findings
    parts: list[RenderableType] = [make_table(("", ""), _list_totals(check), 0, GAP), ""]
    sizes = [
        (name, f"{size.count:,}", f"{size.median:,}", f"{size.longest:,}")
        for name, size in findings.sizes.items()
    ]
    parts.append(make_table(("characters", "number", "median", "longest"), sizes, 3, GAP))
    found = list(findings.list_all())
    if found:
        rows = [(each.what, each.reason, f"{each.count:,}") for each in found]
        parts += ["", make_table(("what", "why", "count"), rows, 1, GAP)]
    # The name of a single file is in the first line.
    file = f"{check.files[0].location}: " if len(check.files) == 1 else ""
    for each in found:
        if each.samples[:samples]:
            parts += ["", f"{each.what}: {each.reason}", *_list_samples(each, samples, file)]
    parts += ["", _judge(check)]
    return _print(parts, width)


def _list_totals(check: Check) -> Iterator[tuple[str, str]]:
    """Yields what was read: files, questions and types of questions."""
    for number, file in enumerate(check.files):
        yield "" if number else "Data", f"{file.location} (read as {file.source})"
    found = check.findings
    rejected = sum(found.rejected.values())
    yield (
        "Questions",
        f"{found.total:,} read, {found.accepted:,} accepted, {rejected:,} rejected",
    )
    yield (
        "",
        f"{found.accepted - found.unanswerable:,} with an answer, {found.unanswerable:,} without",
    )
    for number, (source, counts) in enumerate(check.reasoning_types.items()):
        types = join_words([f"{count:,} {name}" for name, count in counts.items()])
        yield "" if number else "Types", f"{types} ({FROM.get(source, source)})"


def _list_samples(finding: Finding, most: int, file: str) -> Iterator["RenderableType"]:
    """Yields the samples of a reason: the place without the file, and the text below it."""
    from rich.padding import Padding

    for sample in finding.samples[:most]:
        yield Padding(sample.place.removeprefix(file), (0, 0, 0, 2))
        yield Padding(sample.text, (0, 0, 0, 4))


def _judge(check: Check) -> str:
    """Returns the sentence that says whether validation in a race would pass."""
    found: Findings = check.findings
    allowed = f"{check.max_rejected_share:.1%}"
    rejected = sum(found.rejected.values())
    if not found.accepted:
        return "These data fail: no question was accepted."
    if not rejected:
        return "These data pass: no question was rejected."
    share = f"{rejected:,} of {found.total:,} questions were rejected ({found.rejected_share:.1%})"
    if check.is_usable:
        return f"These data pass: {share}, and {allowed} may be."
    return (
        f"These data fail: {share}, and at most {allowed} may be. Mend the data, or raise "
        "data -> max_rejected_share of the experiment."
    )


def _print(parts: Iterable["RenderableType"], width: int) -> str:
    """Returns all parts below each other, without blanks at the ends of lines."""
    console = _open_console(width)
    for part in parts:
        console.print(part)
    return "\n".join(line.rstrip() for line in console.export_text().splitlines())


def _open_console(width: int) -> "Console":
    from rich.console import Console

    # Samples have brackets, which are no markup.
    return Console(
        width=width,
        record=True,
        file=io.StringIO(),
        highlight=False,
        markup=False,
        emoji=False,
    )
