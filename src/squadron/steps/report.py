"""The step report: evaluations and the result of the race -> one HTML page."""

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from squadron import progress, provenance, storage
from squadron.artifacts import read_record, written_whole
from squadron.scores.race_result import RaceResult
from squadron.steps._step import step

if TYPE_CHECKING:
    from squadron.reports.report import Report


@step
def report(
    *,
    experiment: str,
    examples: Path,
    evaluations: Sequence[Path],
    race_result: Path,
    page: Path,
    results: str = "",
    digests: str = "",
) -> None:
    """Writes report.html: which model to promote, and why.

    MLflow gets it, with every plot, and a description of the race and of each contender.

    Args:
        experiment: JSON of {labels, experiment (resolved)}.
        results: Where it is published beside the race's summary; "" for nowhere.
        digests: JSON of provenance.Digests; the decorator compares the code.
        examples: As ingest wrote them.
        evaluations: Evaluation folders of all contenders.
        race_result: race_result.json, as register wrote it.
        page: The file to write.
    """
    from squadron import tracking
    from squadron.reports import plots
    from squadron.reports.page import render_report
    from squadron.reports.race_plots import draw_plots
    from squadron.reports.report import collect_report

    started = time.monotonic()
    fields = json.loads(experiment)
    race = tracking.current_race()
    tracking.send_waiting(race)
    parent = tracking.find_parent(race)
    runs = {"": parent} | {each: tracking.find_child(race, each) for each in fields["labels"]}
    found = collect_report(
        read_record(RaceResult, race_result),
        evaluations,
        examples,
        experiment=fields["experiment"],
        git_sha=provenance.commit(),
        seconds={label: _seconds(tracking.read_metrics(run)) for label, run in runs.items()},
    )
    text = render_report(found)
    with written_whole(page) as temporary:
        temporary.write_text(text, encoding="utf-8")
    if results:
        _publish(text, storage.join(results, found.race, "report"))
    pictures = {
        f"figures/{name}.svg": plots.standalone(svg) for name, svg in draw_plots(found).items()
    }
    place = tracking.log_texts(parent, {tracking.REPORT_FILE: text, **pictures})
    _describe(found, runs)
    tracking.log_metrics(parent, {"seconds_report": time.monotonic() - started})
    tracking.note_report(parent)
    progress.say(f"report     {place or page}")


def _publish(text: str, place: str) -> None:
    """Publishes the page beside the race's summary."""
    from squadron import tracking

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "report"
        folder.mkdir()
        (folder / tracking.REPORT_FILE).write_text(text, encoding="utf-8")
        storage.publish_beside(folder, place)


def _describe(found: "Report", runs: Mapping[str, str]) -> None:
    """Gives MLflow a description of the race and of each contender, with its standing.

    Args:
        found: What the page shows.
        runs: Label of a contender -> its run; "" -> the run of the race.
    """
    from squadron import tracking
    from squadron.reports import notes, plots

    pages = {label: tracking.run_page(run) for label, run in runs.items()}
    tracking.set_tags(runs[""], {tracking.NOTE_TAG: notes.describe_race(found, pages)})
    for row in found.rows:
        tags = {
            tracking.NOTE_TAG: notes.describe_contender(row, found, pages),
            tracking.STANDING_TAG: row.mark or "not ranked",
            tracking.COLOUR_TAG: plots.colour(row.style),
        }
        tracking.set_tags(runs[row.label], tags)


def _seconds(figures: Mapping[str, float]) -> dict[str, float]:
    """Of the steps, in the order in which they run."""
    names = ("ingest", "featurize", "train", "predict", "evaluate", "register")
    return {name: figures[f"seconds_{name}"] for name in names if f"seconds_{name}" in figures}
