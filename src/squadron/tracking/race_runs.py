"""The parent run of a race and the runs of its contenders."""

import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from squadron.errors import InputError
from squadron.reports import markdown
from squadron.tracking import elections, kfp_runs
from squadron.tracking.links import PAGES, run_page
from squadron.tracking.race import Race
from squadron.tracking.schema_lock import sqlite_file
from squadron.tracking.store import connect, explained, has_store, tracking_uri
from squadron.tracking.tags import (
    CONTENDER_TAG,
    EARLIER_TRY,
    FAILURE_TAG,
    FINISHED,
    NOTE_TAG,
    PARENT,
    RACE_TAG,
    REPORT_TAG,
    RESULT_TAG,
    STATUS_TAG,
    TRY_TAG,
    WORK_TAG,
    delete_run_tag,
    set_run_tags,
    shows_end,
)
from squadron.uris import hide_secrets

if TYPE_CHECKING:
    from mlflow import MlflowClient, entities


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
        experiment_id = find_or_create_experiment(client, race.name)
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
        set_run_tags(client, parent_id, {TRY_TAG: this_try})
        _forget_failure(client, parent_id, parent.data.tags)
        tags = {
            RACE_TAG: race.key,
            CONTENDER_TAG: PARENT,
            STATUS_TAG: "running",
            "mlflow.source.git.commit": git_sha,
            "mlflow.source.name": "squadron",
        }
        earlier = {tag: EARLIER_TRY for tag in (RESULT_TAG, REPORT_TAG) if tag in parent.data.tags}
        set_run_tags(client, parent_id, {**tags, **earlier, WORK_TAG: ""})
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
    if shows_end(known):
        set_run_tags(
            client, child_id, {**tags, CONTENDER_TAG: label, STATUS_TAG: known[STATUS_TAG]}
        )
    else:
        set_run_tags(client, child_id, {**tags, CONTENDER_TAG: label})
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
        experiment_id = find_or_create_experiment(client, race.name)
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
            set_run_tags(client, parent_id, {WORK_TAG: step})
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
                set_run_tags(client, run.info.run_id, {STATUS_TAG: text})
                client.set_terminated(run.info.run_id, status=status)
                if run is parent and not succeeded and NOTE_TAG not in parent.data.tags:
                    set_run_tags(client, parent_id, {NOTE_TAG: _failure_note(text)})
        if succeeded:
            delete_run_tag(client, parent_id, FAILURE_TAG)


def _failure_note(status: str) -> str:
    """The description of a parent run that failed, from its status."""
    return markdown.plain(status[:1].upper() + status[1:])[: markdown.LONGEST]


def _forget_failure(client: "MlflowClient", parent_id: str, tags: Mapping[str, str]) -> None:
    """Clears the old failure reason, so that a later failure does not inherit it."""
    if FAILURE_TAG in tags:
        delete_run_tag(client, parent_id, FAILURE_TAG)
    if tags.get(NOTE_TAG) == _failure_note(tags.get(STATUS_TAG, "-")):
        delete_run_tag(client, parent_id, NOTE_TAG)


def find_or_create_experiment(client: "MlflowClient", name: str) -> str:
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
