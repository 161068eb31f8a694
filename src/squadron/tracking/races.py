"""The races of an MLflow store: read, found by name, and deleted where they have no result."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from squadron.errors import InputError
from squadron.runs_folder.places import RUNS
from squadron.tracking import reuse
from squadron.tracking.schema_lock import sqlite_file
from squadron.tracking.store import connect_existing, explained, read_all, shown_store, tracking_uri
from squadron.tracking.tags import (
    COMMIT_TAG,
    CONTENDER_TAG,
    FINISHED,
    PARENT,
    PARENT_RUN_TAG,
    RACE_TAG,
    STANDING_TAG,
    STATUS_TAG,
)

if TYPE_CHECKING:
    from mlflow.entities import Run

RUNNING = "running"
"""The status of a race that nobody has ended."""
_MOST_SHOWN = 5
"""How many races an error message names."""


@dataclass(frozen=True)
class Contender:
    """A contender of a race, as read from MLflow."""

    label: str
    run_id: str
    metrics: Mapping[str, float]
    is_winner: bool


@dataclass(frozen=True)
class RaceRow:
    """A race, as read from MLflow."""

    run_id: str
    """The id of the parent run."""
    name: str
    """The name of the experiment and the beginning of the key, such as example-0123ab."""
    experiment: str
    key: str
    started_ms: int
    """When it was opened, in milliseconds since 1970."""
    status: str
    """"running", "finished" or "failed"."""
    reason: str
    """Why it failed; "" otherwise."""
    version: str
    """The version of the model that it registered or kept; "" for none."""
    has_result: bool
    """Whether it chose a winner, or one of its contenders is a registered model."""
    commit: str
    """The commit of the code that opened it last."""
    digests: Mapping[str, str]
    """The name of a split -> the digest of its examples."""
    contenders: tuple[Contender, ...]

    @property
    def winner(self) -> Contender | None:
        """Returns the contender that won; None if there is no winner."""
        return next((each for each in self.contenders if each.is_winner), None)


def read_races() -> list[RaceRow]:
    """Returns all races of the store, the last one first. Creates no store.

    Raises:
        InputError: If there is no store or it can't be used.
    """
    client = connect_existing()
    with explained():
        experiments = read_all(lambda token: client.search_experiments(page_token=token))
        names = {str(each.experiment_id): each.name for each in experiments}
        # The store may have runs of other programs. Only the runs of races have this tag.
        wanted = f"tags.`{CONTENDER_TAG}` != ''"
        runs = read_all(
            lambda token: client.search_runs(
                list(names), wanted, max_results=reuse.PAGE, page_token=token
            )
        )
        versions = read_all(lambda token: client.search_model_versions(page_token=token))
    registered = {str(each.run_id) for each in versions}
    contenders: dict[str, list[Run]] = {}
    for run in runs:
        contenders.setdefault(run.data.tags.get(PARENT_RUN_TAG, ""), []).append(run)
    races = [
        _row(run, contenders.get(str(run.info.run_id), []), names, registered)
        for run in runs
        if run.data.tags[CONTENDER_TAG] == PARENT
    ]
    return sorted(races, key=lambda race: -race.started_ms)


def find_race(races: Sequence[RaceRow], wanted: str) -> RaceRow:
    """Finds the race that a person names.

    Args:
        races: What `read_races` returns.
        wanted: The race's name, its key, the beginning of its key, or the name of an experiment,
            which means the last race of that experiment.

    Raises:
        InputError: If there is no such race, or there are several.
    """
    exact = [race for race in races if wanted in (race.name, race.key)]
    found = exact or [race for race in races if wanted and race.key.startswith(wanted)]
    if not found:
        found = [race for race in races if race.experiment == wanted][:1]
    if not found:
        raise InputError(
            f"There is no race {wanted!r} in {shown_store()}; give a name that "
            "`squadron races` lists, or the name of an experiment for its last race"
        )
    if len(found) > 1:
        shown = ", ".join(f"{race.name} (key {race.key})" for race in found[:_MOST_SHOWN])
        raise InputError(
            f"{len(found)} races are named {wanted!r}: {shown}; give more of the key of one"
        )
    return found[0]


def choose_prunable(races: Iterable[RaceRow], running_stay: bool) -> list[RaceRow]:
    """Returns the races without a result: those that failed, and those that nobody ended.

    Args:
        races: What `read_races` returns.
        running_stay: Whether races with the status RUNNING are left out, as they may really run.
    """
    ended = {"failed"} if running_stay else {"failed", RUNNING}
    return [race for race in races if race.status in ended and not race.has_result]


def delete_races(races: Iterable[RaceRow]) -> None:
    """Deletes the runs of races. MLflow can restore them until `mlflow gc` is called."""
    client = connect_existing()
    with explained():
        for race in races:
            # The parent run comes last, so that a deletion that was interrupted can be repeated.
            for run_id in (*(each.run_id for each in race.contenders), race.run_id):
                client.delete_run(run_id)


def is_local_store() -> bool:
    """Says whether the store is the one of this folder, where `runs_lock` lets one race run."""
    file = sqlite_file(tracking_uri())
    return file is not None and file.resolve().parent == RUNS.resolve()


def _row(
    run: "Run", children: Iterable["Run"], names: Mapping[str, str], registered: set[str]
) -> RaceRow:
    """Returns a race from its parent run and the runs of its contenders.

    Args:
        run: The parent run.
        children: The runs of the contenders.
        names: The names of the experiments by id.
        registered: The ids of the runs that made a registered version.
    """
    tags, metrics = run.data.tags, run.data.metrics
    key, experiment = tags.get(RACE_TAG, ""), names[str(run.info.experiment_id)]
    status = str(run.info.status).lower()
    contenders = tuple(
        Contender(
            child.data.tags[CONTENDER_TAG],
            str(child.info.run_id),
            child.data.metrics,
            child.data.tags.get(STANDING_TAG) == "winner",
        )
        for child in sorted(children, key=lambda each: each.info.start_time)
    )
    is_failed = status not in (RUNNING, FINISHED)
    reason = tags.get(STATUS_TAG, "").removeprefix("failed: ") or "no reason was given"
    version = metrics.get("version")
    return RaceRow(
        run_id=str(run.info.run_id),
        name=f"{experiment}-{key[:6]}",
        experiment=experiment,
        key=key,
        started_ms=int(run.info.start_time),
        status="failed" if is_failed else status,
        reason=reason if is_failed else "",
        version="" if version is None else str(int(version)),
        has_result=reuse.CHOSEN in metrics or any(c.run_id in registered for c in contenders),
        commit=tags.get(COMMIT_TAG, ""),
        digests={
            each.dataset.name: each.dataset.digest
            for each in (run.inputs.dataset_inputs if run.inputs else ())
        },
        contenders=contenders,
    )
