"""What a step logs to a run: parameters, metrics, files, tables, tags, and the end of the run.

Every function takes a `Run`, which sends through the outbox, or the id of a run, which is written
at once. With None or "" nothing is logged.
"""

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
    """A run of a race. Its id is looked up when something is sent to it."""

    race: Race
    label: str = PARENT
    """The label of the contender; PARENT for the parent run."""


def address_run(race: Race | None, label: str = PARENT) -> Run | None:
    """Returns the run of a contender, or the parent run; None if nothing is tracked.

    No server is asked. What is logged to this run goes through the outbox, so that no step stops
    because MLflow is away.
    """
    return Run(race, label) if race else None


def _log(run: Run | str | None, kind: str, content: Any, files: Path | None = None) -> None:
    """Logs one thing, whose kind and content `run_writes` describes.

    Raises:
        InputError: If it is written at once and MLflow can't be reached or refuses it.
    """
    if not run or not content:
        return
    if isinstance(run, Run):
        open_race_outbox(run.race).put(run.label, kind, content, files)
        return
    client = connect()
    with explained():
        now = int(time.time() * 1000)
        RunWriter(client).write(run, kind, content, files=str(files or ""), time_ms=now)


def log_params(run: Run | str | None, params: Mapping[str, object]) -> None:
    """Logs parameters; logging the same value again changes nothing."""
    _log(run, "params", [[name, str(value)] for name, value in params.items()])


def log_metrics(run: Run | str | None, metrics: Mapping[str, float], step: int = 0) -> None:
    """Logs metrics of one step in one call, without those that are not finite numbers."""
    log_points(run, [{"step": step, **metrics}])


def log_points(run: Run | str | None, points: Sequence[Mapping[str, float]]) -> None:
    """Logs metrics of several steps. A metric that the run already has at a step is left out.

    Args:
        run: The run.
        points: Rows with a "step" and metrics; values that are not finite are left out.
    """
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
    """Logs a data set as an input of a run.

    Args:
        run: The run.
        name: The name of the split.
        made_from: The digest of its examples.
        source: The files that it was read from.
        context: What the run uses it for, as MLflow's pages show it.
        rows: The number of examples.
    """
    about = {"name": name, "digest": made_from, "source": source, "context": context, "rows": rows}
    _log(run, "dataset", about)


def share_datasets(run: Run | str | None, names: Sequence[str]) -> None:
    """Logs data sets of the parent run as inputs of a contender's run, too."""
    _log(run, "shared_datasets", list(names))


def log_artifacts(run: Run | str | None, folder: Path, place: str = "") -> None:
    """Logs the files of a folder, below the folder `place` of the run's artifacts."""
    _log(run, "artifacts", {"place": place}, folder)


def log_json(run: Run | str | None, content: Mapping[str, object], name: str) -> None:
    """Logs a JSON file under this name."""
    _log(run, "json", {"name": name, "content": content})


def log_texts(run_id: str, texts: Mapping[str, str]) -> str:
    """Logs text files by name; returns where a person can open the first one, or ""."""
    if not run_id or not texts:
        return ""
    _log(run_id, "texts", dict(texts))
    return artifact_place(run_id, next(iter(texts)))


def log_table(run: Run | str | None, rows: Sequence[Mapping[str, object]], name: str) -> None:
    """Logs rows as a table that the run's page shows; a table of the same name is replaced.

    Args:
        run: The run.
        rows: They have the same keys. Numbers that are not finite become empty cells.
        name: The name of the artifact, with the ending .json.
    """
    if rows:
        columns = list(rows[0])
        data = [[_finite(row[column]) for column in columns] for row in rows]
        _log(run, "table", {"name": name, "columns": columns, "data": data})


def _finite(value: Any) -> Any:
    """Returns a value as it is, but None for infinity and NaN, which JSON does not have."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def set_tags(run: Run | str | None, tags: Mapping[str, str]) -> None:
    """Sets tags of a run."""
    _log(run, "tags", [[name, value] for name, value in tags.items()])


def note_failure(run: Run | str | None, reason: str) -> None:
    """Notes why a step failed, for `close_race` and for people who open the run."""
    set_tags(run, {FAILURE_TAG: hide_secrets(reason)[:5000]})


def close_contender(run: Run | str | None, disqualified: str) -> None:
    """Ends a contender's run: as finished, or as failed with the reason of its disqualification."""
    status = DISQUALIFIED + disqualified if disqualified else FINISHED
    about = {"tags": {STATUS_TAG: status}, "status": "FAILED" if disqualified else "FINISHED"}
    _log(run, "end", about)
