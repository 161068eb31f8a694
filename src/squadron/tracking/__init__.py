"""MLflow tracking: a parent run per race, a child per contender.

Runs are found again by tag from any process, so every step can be repeated and leaves one result.
No race, or an empty run id, means: not tracked; nothing is logged then.
"""

import contextlib
import functools
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from squadron.errors import InputError
from squadron.reports import markdown
from squadron.runs_folder.kept import kept_folder
from squadron.tracking import elections, kfp_runs
from squadron.tracking.outbox import Entry, Outbox, open_outbox, read_patience
from squadron.tracking.run_writes import LISTS, RunWriter, is_refusal
from squadron.tracking.schema_lock import schema_lock, sqlite_file
from squadron.tracking.verdict import Left
from squadron.uris import hide_in_record, hide_secrets, secrets_of

if TYPE_CHECKING:
    from mlflow import MlflowClient, entities

URI_VARIABLE = "MLFLOW_TRACKING_URI"
RACE_VARIABLE = "SQUADRON_RACE"
"""Tells every step which race it belongs to. It is no argument of the steps: kfp's cache would then
take a step of another race for another step."""
DEFAULT_FOLDER = Path("runs")
RACE_TAG = "squadron.race"
CONTENDER_TAG = "squadron.contender"
PARENT = "-"
"""The contender tag of a parent run; no label can be it."""
FAILURE_TAG = "squadron.failure"
STATUS_TAG = "squadron.status"
FINISHED, DISQUALIFIED = "finished", "disqualified: "
"""What the status of a contender that came to its end is, or begins with."""
RESULT_TAG = "squadron.result"
REPORT_TAG = "squadron.report"
"""Which try of the race wrote its result, and its report."""
THIS_TRY, EARLIER_TRY = "this try", "an earlier try"
TRY_TAG = "squadron.try"
"""Id of the pipeline's run that opened the race last: only that run closes it."""
WORK_TAG = "squadron.last_step"
"""The step of this try that began last; "" while all of them come from the cache."""
RESULT_FILE = "champion.json"
REPORT_FILE = "report.html"
STANDING_TAG = "squadron.standing"
NOTE_TAG = "mlflow.note.content"
"""What MLflow's pages show as the description of a run or an experiment, in Markdown."""
COLOUR_TAG = "mlflow.runColor"
VIEW_TAG = "mlflow.sharedViewState."
"""And the key of the view: MLflow offers it under Views, and to links that name the key."""
LEFT_SECONDS = 60.0
"""How long a step that can't do without MLflow waits for what earlier steps left to be sent."""
PAGES = "?workflowType=machine_learning"
"""Ends every link: MLflow opens a page with the menus for traces of language models otherwise."""


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, or the sqlite store of this checkout, runs/mlflow.db."""
    return os.environ.get(URI_VARIABLE) or f"sqlite:///{(DEFAULT_FOLDER / 'mlflow.db').resolve()}"


def shown_store() -> str:
    """The store's URI as people may see it: without user, password or token."""
    return hide_secrets(tracking_uri())


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turns the many errors of a store that can't be used into one sentence.

    Raises:
        InputError: Naming the store, what went wrong and what to check.
    """
    import requests
    import sqlalchemy.exc
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (
        MlflowException,
        requests.exceptions.RequestException,
        sqlalchemy.exc.SQLAlchemyError,
        ModuleNotFoundError,
    ) as error:
        text = _hide_own_secrets(" ".join(str(error).split()))
        unreachable = "Max retries exceeded" in text or "onnection refused" in text
        reason = "it can't be reached" if unreachable else text[:300]
        raise InputError(
            f"The MLflow store {shown_store()} can't be used: {reason}. "
            f"Check that it runs and that {URI_VARIABLE} names it"
        ) from error


def connect() -> "MlflowClient":
    """A client of the store; the schema of a new sqlite or PostgreSQL store is made here.

    Raises:
        InputError: If the store can't be reached.
    """
    # A dead server would otherwise cost four minutes of retries before the first word.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    # MLflow would print the address of a run with the user and password of the server's URI.
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    import logging

    # What the second one has to say is raised as well, and says it without the user's name.
    for noisy, level in (("alembic", "WARNING"), ("mlflow.store.db.utils", "CRITICAL")):
        logging.getLogger(noisy).setLevel(level)
    # A server that does not answer is asked again, and the warning names what it was asked for.
    logging.getLogger("urllib3.connectionpool").addFilter(hide_in_record)
    import mlflow

    uri = tracking_uri()
    file = sqlite_file(uri)
    if file is not None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"The MLflow store {shown_store()} can't be created: {error}"
            ) from None
    with explained(), schema_lock(uri):
        mlflow.set_tracking_uri(uri)
        client = mlflow.MlflowClient()
        client.search_experiments(max_results=1)
    return client


def has_store() -> bool:
    """Whether the store is there; whether a server is there is only known once it is asked."""
    file = sqlite_file(tracking_uri())
    return file is None or file.is_file()


def connect_existing() -> "MlflowClient":
    """As `connect`, for whoever looks for something: makes no store where there is none.

    Raises:
        InputError: If there is no store, or it can't be reached.
    """
    if not has_store():
        raise InputError(
            f"The MLflow store {shown_store()} does not exist; run `make run` first, go to the "
            f"folder where races ran, or let {URI_VARIABLE} name their store"
        )
    return connect()


@dataclass(frozen=True)
class Race:
    """What every step knows of the race it belongs to."""

    name: str
    """Of the experiment, here and in MLflow."""
    key: str
    """Equal for equal experiments on equal data with equal code; a repeat goes on with it."""

    def __str__(self) -> str:
        return f"{self.name}/{self.key}"


def read_race(text: str) -> Race | None:
    """A race from its text, "name/key"; None from "": then nothing is tracked."""
    name, _, key = text.partition("/")
    return Race(name, key) if text else None


def current_race() -> Race | None:
    """The race that this step belongs to, by SQUADRON_RACE; None without it."""
    return read_race(os.environ.get(RACE_VARIABLE, ""))


def open_race(
    race: Race | None,
    labels: Sequence[str],
    experiment: dict[str, Any],
    git_sha: str,
    this_try: str = "",
) -> str:
    """Finds or creates the parent run and a child per label and marks them as running.

    A contender that came to its end in an earlier try keeps that end: its steps come from the
    cache, and none would tell again that it was disqualified. Why that try failed is forgotten,
    and its result no longer counts as new.

    Two processes that open the same race at once agree on the same runs. A run that MLFLOW_RUN_ID
    names is never one of them: Kubeflow's tasks have such runs, and they are linked.

    Args:
        race: Its identity.
        labels: Of the contenders.
        experiment: Resolved, logged as experiment.json.
        git_sha: Of the code that runs.
        this_try: Id of this run of the pipeline; "" if it has none.

    Returns:
        The id of the parent run, "" if nothing is tracked.
    """
    if race is None:
        return ""
    client = connect()
    with explained():
        experiment_id = _experiment(client, race.name)
        name = f"{race.name}-{race.key[:6]}"
        about = {RACE_TAG: race.key, CONTENDER_TAG: PARENT}
        parent_id = elections.choose_run(
            client,
            experiment_id,
            _parents(race.key),
            lambda: client.create_run(experiment_id, run_name=name, tags=about),
        )
        parent = client.get_run(parent_id)
        # First of all: a try that fails while it opens the race must be able to close it.
        _tag(client, parent_id, {TRY_TAG: this_try})
        _forget_failure(client, parent_id, parent.data.tags)
        tags = {
            RACE_TAG: race.key,
            CONTENDER_TAG: PARENT,
            STATUS_TAG: "running",
            "mlflow.source.git.commit": git_sha,
            "mlflow.source.name": "squadron",
        }
        earlier = {tag: EARLIER_TRY for tag in (RESULT_TAG, REPORT_TAG) if tag in parent.data.tags}
        _tag(client, parent_id, {**tags, **earlier, WORK_TAG: ""})
        client.log_dict(parent_id, experiment, "experiment.json")
        client.update_run(parent_id, status="RUNNING")
        for label in labels:
            _open_contender(client, parent, label, tags)
    kfp_runs.attach_task(client, parent_id, run_page(parent_id))
    return parent_id


def _open_contender(
    client: "MlflowClient", parent: "entities.Run", label: str, tags: Mapping[str, str]
) -> None:
    """Finds or creates a contender's run; marks it as running unless it came to its end."""
    parent_id, experiment_id = str(parent.info.run_id), str(parent.info.experiment_id)
    about = {"mlflow.parentRunId": parent_id, CONTENDER_TAG: label}
    child_id = elections.choose_run(
        client,
        experiment_id,
        _children(parent_id, label),
        lambda: client.create_run(experiment_id, run_name=label, tags=about),
    )
    known = client.get_run(child_id).data.tags
    if _has_ended(known):
        _tag(client, child_id, {**tags, CONTENDER_TAG: label, STATUS_TAG: known[STATUS_TAG]})
    else:
        _tag(client, child_id, {**tags, CONTENDER_TAG: label})
        client.update_run(child_id, status="RUNNING")


def describe_experiment(race: Race | None, describe: Callable[[str], Mapping[str, str]]) -> None:
    """Sets tags of the race's experiment that nobody has set: what a person wrote is kept.

    Args:
        race: Opened; None describes nothing.
        describe: Gives the tags, from the experiment's page of runs.
    """
    if race is None:
        return
    client = connect()
    with explained():
        experiment_id = _experiment(client, race.name)
        known = client.get_experiment(experiment_id).tags
        for key, text in describe(f"#/experiments/{experiment_id}/runs{PAGES}").items():
            if key not in known:
                elections.persist(
                    functools.partial(client.set_experiment_tag, experiment_id, key, text)
                )


def find_parent(race: Race | None) -> str:
    """The run id of the race's parent; "" if it was never opened or nothing is tracked."""
    if race is None or not has_store():
        return ""
    client = connect()
    with explained():
        experiment = client.get_experiment_by_name(race.name)
        if experiment is None:
            return ""
        return elections.find_chosen(client, experiment.experiment_id, _parents(race.key))


def begin_step(race: Race | None, step: str) -> None:
    """Notes in the race that a step begins, and links the run of Kubeflow's task.

    A race of which no step began was served from the cache. A step never fails for this.
    """
    with contextlib.suppress(InputError):
        parent_id = find_parent(race)
        if not parent_id:
            return
        client = connect()
        with explained():
            _tag(client, parent_id, {WORK_TAG: step})
        kfp_runs.attach_task(client, parent_id, run_page(parent_id))


def find_child(race: Race | None, label: str) -> str:
    """The run id of a contender; "" if nothing is tracked.

    Raises:
        InputError: If the race has no such contender.
    """
    parent_id = find_parent(race)
    if not parent_id:
        return ""
    client = connect()
    with explained():
        child_id = _find_child(client, parent_id, label)
    if not child_id:
        raise InputError(f"The MLflow run {parent_id} has no child run for contender {label!r}")
    return child_id


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


class RaceCourier:
    """Sends the entries of a race's outbox to MLflow.

    Args:
        race: Whose runs the entries are about.
    """

    def __init__(self, race: Race) -> None:
        self._race = race
        self._writer: RunWriter | None = None
        self._run_ids: dict[str, str] = {}

    def deliver(self, entry: Entry) -> list[str]:
        """Writes an entry to its run; says in a sentence each what MLflow refuses for ever."""
        try:
            if self._writer is None:
                self._writer = RunWriter(connect())
            if entry.run not in self._run_ids:
                self._run_ids[entry.run] = self._find_run(entry.run)
            return self._write(self._run_ids[entry.run], entry, entry.content)
        except Exception as error:
            self._writer = None  # It may not know what a call that raised has stored.
            if _is_refusal(error):
                return [f"{entry.kind} of {entry.run}: {error}"]
            raise

    def is_up(self) -> bool:
        """Says whether the store answers."""
        with contextlib.suppress(InputError):
            connect()
            return True
        return False

    def _find_run(self, label: str) -> str:
        run_id = find_parent(self._race) if label == PARENT else find_child(self._race, label)
        if not run_id:
            raise InputError(f"The race {self._race.name} {self._race.key} has no run in MLflow")
        return run_id

    def _write(self, run_id: str, entry: Entry, content: Any) -> list[str]:
        """Writes items that are independent in halves where one of them is refused."""
        writer = self._writer or RunWriter(connect())
        try:
            writer.write(run_id, entry.kind, content, files=entry.files, time_ms=entry.time_ms)
        except Exception as error:
            if not _is_refusal(error):
                raise
            if entry.kind not in LISTS or len(content) == 1:
                what = content if entry.kind in LISTS else ""
                return [f"{entry.kind} of {entry.run} {what}: {' '.join(str(error).split())[:300]}"]
            middle = len(content) // 2
            halves = content[:middle], content[middle:]
            return [reason for half in halves for reason in self._write(run_id, entry, half)]
        return []


def _is_refusal(error: BaseException) -> bool:
    """Says whether sending again is useless; an `InputError` stands for what made it, if anything.

    Without a cause it says that the race or the contender is not in the store.
    """
    if isinstance(error, InputError):
        return error.__cause__ is None or is_refusal(error.__cause__)
    return is_refusal(error)


def open_race_outbox(race: Race) -> Outbox:
    """The outbox of a race in this process; it goes on with what earlier steps left on this disk.

    Raises:
        InputError: If the patience that the environment sets is not a number.
    """
    read_patience()
    # MLflow is imported here and not in the outbox's thread: imports in two threads can meet half
    # imported modules.
    import mlflow.artifacts
    import mlflow.entities  # noqa: F401

    folder = kept_folder() / "outbox" / f"{race.name}-{race.key}"
    return open_outbox(folder.resolve(), lambda: RaceCourier(race))


def send_waiting(race: Race | None) -> None:
    """Sends what earlier steps of the race left on this disk, before MLflow is read or closed."""
    if race is not None:
        open_race_outbox(race).flush(min(read_patience(), LEFT_SECONDS))


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
    return _place(run_id, next(iter(texts)))


def find_report(run_id: str) -> str:
    """Where the report of a race can be looked at; "" if it has none."""
    client = connect()
    with explained():
        names = [each.path for each in client.list_artifacts(run_id)]
    return _place(run_id, REPORT_FILE) if REPORT_FILE in names else ""


def _place(run_id: str, name: str) -> str:
    """Where an artifact can be looked at: its file where artifacts are files, else the run."""
    client = connect()
    with explained():
        place = str(client.get_run(run_id).info.artifact_uri)
    return f"{place}/{name}" if place.startswith("file:") else run_url(run_id)


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


def has_ended(run_id: str) -> bool:
    """Says whether a contender's run came to its end, finished or disqualified."""
    client = connect()
    with explained():
        return _has_ended(client.get_run(run_id).data.tags)


def read_metrics(run_id: str) -> dict[str, float]:
    """The last value of each metric of a run; none without a run."""
    if not run_id:
        return {}
    client = connect()
    with explained():
        return dict(client.get_run(run_id).data.metrics)


def read_json_artifact(run_id: str, name: str) -> dict[str, Any] | None:
    """A JSON file that was logged, or None if there is none."""
    import mlflow

    client = connect()
    with explained():
        if name not in {file.path for file in client.list_artifacts(run_id)}:
            return None
        return dict(mlflow.artifacts.load_dict(f"runs:/{run_id}/{name}"))


def note_result(parent_id: str) -> None:
    """Marks the race's result as one of this try; a failure noted before it was overcome."""
    _note_end(parent_id, RESULT_TAG)


def note_report(parent_id: str) -> None:
    """Marks the race's report as one of this try; a failure noted before it was overcome."""
    _note_end(parent_id, REPORT_TAG)


def _note_end(parent_id: str, tag: str) -> None:
    if not parent_id:
        return
    client = connect()
    with explained():
        _tag(client, parent_id, {tag: THIS_TRY})
        _delete_tag(client, parent_id, FAILURE_TAG)


def read_left(parent_id: str) -> tuple[Left, dict[str, Any] | None]:
    """What this try of a race left behind, and the race's result if there is one."""
    content = read_json_artifact(parent_id, RESULT_FILE)
    client = connect()
    with explained():
        run = client.get_run(parent_id)
    tags = run.data.tags
    left = Left(
        opened=run.info.status == "RUNNING",
        worked=bool(tags.get(WORK_TAG)),
        result=content is not None,
        new_result=content is not None and tags.get(RESULT_TAG) == THIS_TRY,
        reported=tags.get(REPORT_TAG) == THIS_TRY,
        failure=tags.get(FAILURE_TAG, ""),
        opened_by=tags.get(TRY_TAG, ""),
    )
    return left, content


def set_tags(run: Run | str | None, tags: Mapping[str, str]) -> None:
    """Sets tags of a run."""
    _log(run, "tags", [[name, value] for name, value in tags.items()])


def note_failure(run: Run | str | None, reason: str) -> None:
    """Remembers why a step failed, for `close_race` and for whoever opens the run."""
    set_tags(run, {FAILURE_TAG: hide_secrets(reason)[:5000]})


def _has_ended(tags: Mapping[str, str]) -> bool:
    status = tags.get(STATUS_TAG, "")
    return status == FINISHED or status.startswith(DISQUALIFIED)


def close_contender(run: Run | str | None, disqualified: str) -> None:
    """Ends a child run: finished, or failed with the reason of its disqualification."""
    status = DISQUALIFIED + disqualified if disqualified else FINISHED
    about = {"tags": {STATUS_TAG: status}, "status": "FAILED" if disqualified else "FINISHED"}
    _log(run, "end", about)


def close_race(parent_id: str, *, succeeded: bool, reason: str = "") -> None:
    """Ends the parent and whatever child is still open, with status and reason."""
    client = connect()
    with explained():
        parent = client.get_run(parent_id)
        experiment_id = parent.info.experiment_id
        noted = "" if succeeded else parent.data.tags.get(FAILURE_TAG, "") or hide_secrets(reason)
        status = "FINISHED" if succeeded else "FAILED"
        text = FINISHED if succeeded else f"failed: {noted or 'no reason was given'}"
        # A process that was killed while it opened the race may have left another parent.
        key = parent.data.tags.get(RACE_TAG, "")
        elections.delete_others(client, experiment_id, _parents(key), parent_id)
        children = client.search_runs([experiment_id], f"tags.`mlflow.parentRunId` = '{parent_id}'")
        # A step that fails before the race is opened again leaves its reason in an ended run.
        is_ended_badly = not succeeded and FAILURE_TAG in parent.data.tags
        for run in [*children, parent]:
            if run.info.status == "RUNNING" or (run is parent and is_ended_badly):
                _tag(client, run.info.run_id, {STATUS_TAG: text})
                client.set_terminated(run.info.run_id, status=status)
                if run is parent and not succeeded and NOTE_TAG not in parent.data.tags:
                    _tag(client, parent_id, {NOTE_TAG: _failure_note(text)})
        if succeeded:
            _delete_tag(client, parent_id, FAILURE_TAG)


def _failure_note(status: str) -> str:
    """The description of a parent run that failed, from its status."""
    return markdown.plain(status[:1].upper() + status[1:])[: markdown.LONGEST]


def _forget_failure(client: "MlflowClient", parent_id: str, tags: Mapping[str, str]) -> None:
    """Clears the old failure reason, so that a later failure does not inherit it."""
    if FAILURE_TAG in tags:
        _delete_tag(client, parent_id, FAILURE_TAG)
    if tags.get(NOTE_TAG) == _failure_note(tags.get(STATUS_TAG, "-")):
        _delete_tag(client, parent_id, NOTE_TAG)


def run_url(run_id: str) -> str:
    """Where a person finds the run: a page of the server, or the store and the id."""
    uri = shown_store()
    return f"{uri.rstrip('/')}/{run_page(run_id)}" if uri.startswith("http") else f"runs:/{run_id}"


def run_page(run_id: str) -> str:
    """The run's page as MLflow's own pages link to it, whatever the server; "" for no run."""
    if not run_id:
        return ""
    client = connect()
    with explained():
        experiment_id = client.get_run(run_id).info.experiment_id
    return f"#/experiments/{experiment_id}/runs/{run_id}{PAGES}"


def _hide_own_secrets(text: str) -> str:
    """Removes the secrets of the store's URI from a message, wherever it repeats them."""
    for secret in secrets_of(tracking_uri()):
        text = text.replace(secret, "***")
    return hide_secrets(text)


def _experiment(client: "MlflowClient", name: str) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        if found.lifecycle_stage == "deleted":
            raise InputError(
                f"The MLflow experiment {name!r} is deleted; restore it "
                f"(`mlflow experiments restore -x {found.experiment_id}`) or rename yours"
            )
        return str(found.experiment_id)
    location = None
    file = sqlite_file(tracking_uri())
    if file is not None:
        # Beside the store, not in whatever folder a step happens to run in.
        location = (file.parent / "artifacts" / name).as_uri()
    # The kind decides which columns and pages the UI opens with.
    kind = {"mlflow.experimentKind": "custom_model_development"}
    from mlflow.exceptions import MlflowException

    try:
        return str(client.create_experiment(name, artifact_location=location, tags=kind))
    except MlflowException as error:
        # Its name is unique in MLflow: another process was faster.
        found = client.get_experiment_by_name(name)
        if error.error_code != "RESOURCE_ALREADY_EXISTS" or found is None:
            raise
        return str(found.experiment_id)


def _find_child(client: "MlflowClient", parent_id: str, label: str) -> str:
    experiment_id = client.get_run(parent_id).info.experiment_id
    return elections.find_chosen(client, experiment_id, _children(parent_id, label))


def _parents(key: str) -> str:
    """A filter for the parent runs of a race; there is one, see `elections`."""
    return f"tags.`{RACE_TAG}` = '{key}' and tags.`{CONTENDER_TAG}` = '{PARENT}'"


def _children(parent_id: str, label: str) -> str:
    """A filter for the runs of a contender; there is one, see `elections`."""
    return f"tags.`mlflow.parentRunId` = '{parent_id}' and tags.`{CONTENDER_TAG}` = '{label}'"


def _delete_tag(client: "MlflowClient", run_id: str, tag: str) -> None:
    """Deletes a tag; one that is not there, or that another process deleted, is no error."""
    from mlflow.exceptions import MlflowException

    try:
        client.delete_tag(run_id, tag)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def _tag(client: "MlflowClient", run_id: str, tags: Mapping[str, str]) -> None:
    from mlflow.entities import RunTag

    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in tags.items()])
