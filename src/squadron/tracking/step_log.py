"""What a step logs."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from squadron.tracking.courier import open_race_outbox
from squadron.tracking.links import artifact_place
from squadron.tracking.race import Race
from squadron.tracking.run_writes import RunWriter
from squadron.tracking.store import connect, explained
from squadron.tracking.tags import DISQUALIFIED, FAILURE_TAG, FINISHED, PARENT, STATUS_TAG
from squadron.uris import hide_secrets


@dataclass(frozen=True)
class Run:
    """A run by its place in the race; its id is looked up only when something is sent to it."""

    race: Race
    label: str = PARENT
    """Of the contender, or PARENT."""


def address_run(race: Race | None, label: str = PARENT) -> Run | None:
    """The run of a contender, or of the race itself; None if nothing is tracked.

    Asks no server: what is logged to it goes through the outbox (`outbox.py`), so that a server
    that is away stops no step. What is logged to a run id is written at once, or raises.
    """
    return Run(race, label) if race else None


def _log(run: Run | str | None, kind: str, content: Any, files: Path | None = None) -> None:
    """Writes to a run id at once, and to an addressed run through the outbox."""
    if not run or not content:
        return
    if isinstance(run, Run):
        open_race_outbox(run.race).put(run.label, kind, content, files)
        return
    client = connect()
    with explained():
        now = int(time.time() * 1000)
        RunWriter(client).write(run, kind, content, files=str(files or ""), time_ms=now)


def log_params(run: Run | str | None, params: Mapping[str, Any]) -> None:
    """Logs parameters; the same value again is no change."""
    _log(run, "params", [[name, str(value)] for name, value in params.items()])


def log_metrics(run: Run | str | None, metrics: Mapping[str, float], step: int = 0) -> None:
    """Logs finite metrics in one call; a point that is there already is not logged twice."""
    log_points(run, [{"step": step, **metrics}])


def log_points(run: Run | str | None, points: list[dict[str, float]]) -> None:
    """Logs rows of metrics, each with its "step"; known (metric, step) pairs are passed over."""
    items = [
        [name, float(value), int(point["step"])]
        for point in points
        for name, value in point.items()
        if name != "step" and math.isfinite(value)
    ]
    _log(run, "points", items)


def log_dataset(
    run: Run | str | None, name: str, made_from: str, source: str, context: str, rows: int
) -> None:
    """Logs a data set as an input of a run; `made_from` is its digest."""
    about = {"name": name, "digest": made_from, "source": source, "context": context, "rows": rows}
    _log(run, "dataset", about)


def share_datasets(run: Run | str | None, names: Sequence[str]) -> None:
    """Logs data sets of the race's parent as inputs of one of its children, too."""
    _log(run, "shared_datasets", list(names))


def log_artifacts(run: Run | str | None, folder: Path, place: str = "") -> None:
    """Logs the files of a folder."""
    _log(run, "artifacts", {"place": place}, folder)


def log_json(run: Run | str | None, content: dict[str, Any], name: str) -> None:
    """Logs one JSON file."""
    _log(run, "json", {"name": name, "content": content})


def log_texts(run_id: str, texts: Mapping[str, str]) -> str:
    """Logs text files by name; says where the first one can be looked at, "" if nowhere."""
    if not run_id or not texts:
        return ""
    _log(run_id, "texts", dict(texts))
    return artifact_place(run_id, next(iter(texts)))


def log_table(run: Run | str | None, rows: Sequence[Mapping[str, Any]], name: str) -> None:
    """Logs rows as a table that the run's page shows; one of the same name is replaced.

    Args:
        run: The run.
        rows: With the same keys each; numbers that are not finite become empty.
        name: Of the artifact, with the ending .json.
    """
    if rows:
        columns = list(rows[0])
        data = [[_plain(row[column]) for column in columns] for row in rows]
        _log(run, "table", {"name": name, "columns": columns, "data": data})


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def set_tags(run: Run | str | None, tags: Mapping[str, str]) -> None:
    """Sets tags of a run."""
    _log(run, "tags", [[name, value] for name, value in tags.items()])


def note_failure(run: Run | str | None, reason: str) -> None:
    """Remembers why a step failed, for `close_race` and for whoever opens the run."""
    set_tags(run, {FAILURE_TAG: hide_secrets(reason)[:5000]})


def close_contender(run: Run | str | None, disqualified: str) -> None:
    """Ends a child run: finished, or failed with the reason of its disqualification."""
    status = DISQUALIFIED + disqualified if disqualified else FINISHED
    about = {"tags": {STATUS_TAG: status}, "status": "FAILED" if disqualified else "FINISHED"}
    _log(run, "end", about)
