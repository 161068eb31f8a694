"""The runs of a race in MLflow: a parent run, and a child run for each contender.

Owns how these runs are found, opened and closed. They are found by their tags, from any process, so
that a step that is repeated finds the same runs. `step_log` owns what is logged to them.
"""

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from squadron.errors import InputError
from squadron.reports import markdown
from squadron.tracking import elections, kfp_runs
from squadron.tracking.experiments import find_or_create_experiment
from squadron.tracking.links import run_page
from squadron.tracking.race import Race
from squadron.tracking.store import connect, explained, has_store
from squadron.tracking.tags import (
    COMMIT_TAG,
    CONTENDER_TAG,
    EARLIER_TRY,
    FAILURE_TAG,
    FINISHED,
    NOTE_TAG,
    PARENT,
    PARENT_RUN_TAG,
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
    experiment: Mapping[str, object],
    git_sha: str,
    this_try: str = "",
) -> str:
    """Finds or creates the parent run and a run for each contender, and marks them as running.

    A contender that ended in an earlier try keeps its status: its steps come from the cache, so
    none of them would report a disqualification again. The failure reason of the earlier try is
    cleared, and its result and report are marked as those of an earlier try.

    Two processes that open the same race at once get the same runs. The run that MLFLOW_RUN_ID
    names belongs to a task of Kubeflow. It is linked with the race and never used as one of its
    runs.

    Args:
        race: The race; None means that nothing is tracked.
        labels: The labels of the contenders.
        experiment: The resolved experiment, logged as experiment.json.
        git_sha: The commit of the code that runs.
        this_try: The id of this run of the pipeline; "" if it has none.

    Returns:
        The id of the parent run; "" if nothing is tracked.
    """
    if race is None:
        return ""
    client = connect()
    with explained():
        parent = _choose_parent(client, race)
        parent_id = str(parent.info.run_id)
        # This tag comes first: a try that fails while it opens the race must be able to close it.
        set_run_tags(client, parent_id, {TRY_TAG: this_try})
        _forget_failure(client, parent_id, parent.data.tags)
        tags = {
            RACE_TAG: race.key,
            CONTENDER_TAG: PARENT,
            STATUS_TAG: "running",
            COMMIT_TAG: git_sha,
            "mlflow.source.name": "squadron",
        }
        earlier = {tag: EARLIER_TRY for tag in (RESULT_TAG, REPORT_TAG) if tag in parent.data.tags}
        set_run_tags(client, parent_id, {**tags, **earlier, WORK_TAG: ""})
        client.log_dict(parent_id, dict(experiment), "experiment.json")
        client.update_run(parent_id, status="RUNNING")
        for label in labels:
            _open_contender(client, parent, label, tags)
    kfp_runs.attach_task(client, parent_id, run_page(parent_id))
    return parent_id


def _choose_parent(client: "MlflowClient", race: Race) -> "entities.Run":
    """Finds or creates the parent run of a race."""
    experiment_id = find_or_create_experiment(client, race.name)
    about = {RACE_TAG: race.key, CONTENDER_TAG: PARENT}
    parent_id = elections.choose_run(
        client,
        experiment_id,
        _filter_parents(race.key),
        lambda: client.create_run(experiment_id, run_name=race.title, tags=about),
    )
    return client.get_run(parent_id)


def _open_contender(
    client: "MlflowClient", parent: "entities.Run", label: str, tags: Mapping[str, str]
) -> None:
    """Finds or creates a contender's run, and marks it as running unless it has ended."""
    parent_id, experiment_id = str(parent.info.run_id), str(parent.info.experiment_id)
    about = {PARENT_RUN_TAG: parent_id, CONTENDER_TAG: label}
    child_id = elections.choose_run(
        client,
        experiment_id,
        _filter_children(parent_id, label),
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


def find_parent(race: Race | None) -> str:
    """Returns the id of the parent run; "" if the race was never opened or is not tracked."""
    if race is None or not has_store():
        return ""
    client = connect()
    with explained():
        experiment = client.get_experiment_by_name(race.name)
        if experiment is None:
            return ""
        return elections.find_chosen(client, experiment.experiment_id, _filter_parents(race.key))


def begin_step(race: Race | None, step: str) -> None:
    """Writes to the parent run which step begins, and links the run of Kubeflow's task.

    A race without such a note took every step from the cache. A step never fails because MLflow
    is away.
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
    """Returns the id of a contender's run; "" if nothing is tracked.

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
    """Ends the parent run and every child run that is still open.

    Args:
        parent_id: The id of the parent run.
        succeeded: Whether the race is finished; otherwise it failed.
        reason: Why it failed, unless a step has noted a reason.
    """
    client = connect()
    with explained():
        parent = client.get_run(parent_id)
        experiment_id = parent.info.experiment_id
        noted = "" if succeeded else parent.data.tags.get(FAILURE_TAG, "") or hide_secrets(reason)
        status = "FINISHED" if succeeded else "FAILED"
        text = FINISHED if succeeded else f"failed: {noted or 'no reason was given'}"
        # A process that was killed while it opened the race may have left a second parent run.
        key = parent.data.tags.get(RACE_TAG, "")
        elections.delete_others(client, experiment_id, _filter_parents(key), parent_id)
        children = client.search_runs([experiment_id], f"tags.`{PARENT_RUN_TAG}` = '{parent_id}'")
        # A step that failed before this try opened the race noted its reason in an ended run.
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
    """Returns the description of a parent run that failed, from its status."""
    return markdown.plain(status[:1].upper() + status[1:])[: markdown.LONGEST]


def _forget_failure(client: "MlflowClient", parent_id: str, tags: Mapping[str, str]) -> None:
    """Clears the reason of an earlier failure, so that a later failure does not inherit it."""
    if FAILURE_TAG in tags:
        delete_run_tag(client, parent_id, FAILURE_TAG)
    if tags.get(NOTE_TAG) == _failure_note(tags.get(STATUS_TAG, "-")):
        delete_run_tag(client, parent_id, NOTE_TAG)


def _find_child(client: "MlflowClient", parent_id: str, label: str) -> str:
    """Returns the id of a contender's run; "" if the race has no such contender."""
    experiment_id = client.get_run(parent_id).info.experiment_id
    return elections.find_chosen(client, experiment_id, _filter_children(parent_id, label))


def _filter_parents(key: str) -> str:
    """Returns a filter that the parent run of a race passes."""
    return f"tags.`{RACE_TAG}` = '{key}' and tags.`{CONTENDER_TAG}` = '{PARENT}'"


def _filter_children(parent_id: str, label: str) -> str:
    """Returns a filter that the run of a contender passes."""
    return f"tags.`{PARENT_RUN_TAG}` = '{parent_id}' and tags.`{CONTENDER_TAG}` = '{label}'"
