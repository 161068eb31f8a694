"""The content of a race's report, collected from the files that the steps wrote.

`page` renders it as HTML, `race_plots` draws its plots and `notes` describes it for MLflow. Nothing
is judged again here: the order, the intervals and what is certain come from the race's result.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from squadron.artifacts import read_record, read_table
from squadron.data.validation_file import Validation
from squadron.reports.rows import Row, read_row
from squadron.reports.verdict import Verdict, judge_race
from squadron.scores import evaluation
from squadron.scores.race_result import RaceResult

MOST_ERRORS = 60
"""Maximum number of wrong answers shown for a contender."""
MOST_ERRORS_IN_ALL = 480
"""Maximum number of wrong answers on a page, so that it stays below a megabyte."""
LEAST_ERRORS = 5
"""Wrong answers shown for a contender, however many race."""


@dataclass(frozen=True)
class Report:
    """All that the page shows."""

    race: str
    verdict: Verdict
    result: RaceResult
    rows: list[Row]
    """In the order of the race, the disqualified last."""
    validation: Validation
    experiment: Mapping[str, object]
    """The resolved experiment; empty if it is not known."""
    git_sha: str
    seconds: dict[str, float]
    """Step -> seconds, for the steps that all contenders share."""

    @property
    def racing(self) -> list[Row]:
        """The contenders that were not disqualified."""
        return [row for row in self.rows if row.select]


def collect_report(
    result: RaceResult,
    evaluations: Sequence[Path],
    examples: Path,
    *,
    experiment: Mapping[str, object] | None = None,
    git_sha: str = "",
    seconds: Mapping[str, Mapping[str, float]] | None = None,
) -> Report:
    """Collects what the steps wrote.

    Args:
        result: Of the race.
        evaluations: Evaluation folders of all contenders, in any order.
        examples: The folder that ingest wrote.
        experiment: The resolved experiment.
        git_sha: The commit of the code that ran.
        seconds: Label -> step -> seconds. The key "" has the steps that all contenders share.

    Raises:
        InputError: If a file is missing or of another schema.
    """
    tune = evaluation.Questions.read(read_table(examples / "tune.parquet", schema="examples/1"))
    fair_share = MOST_ERRORS_IN_ALL // max(1, len(result.contenders))
    most_errors = max(LEAST_ERRORS, min(MOST_ERRORS, fair_share))
    rows = [
        read_row(folder, result, tune, most_errors=most_errors, seconds=seconds or {})
        for folder in evaluations
    ]
    rows.sort(key=lambda row: row.style)
    return Report(
        race=result.race,
        verdict=judge_race(result, rows),
        result=result,
        rows=rows,
        validation=read_record(Validation, examples / "validation.json"),
        experiment=experiment or {},
        git_sha=git_sha,
        seconds=dict((seconds or {}).get("", {})),
    )
