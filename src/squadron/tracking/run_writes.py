"""Writes to MLflow runs, in such a way that writing the same thing again changes nothing."""

import json
from typing import TYPE_CHECKING, Any

from squadron.tracking.tags import PARENT_RUN_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient

Item = list[Any]
"""A parameter, a point or a tag; the methods of `RunWriter` say what it holds."""

LISTS = ("params", "points", "tags")
"""The kinds whose content is a list of independent items, so that each can be written alone."""
TABLES_TAG = "mlflow.loggedArtifacts"
"""The tag that lists the tables that the page of a run shows."""
MOST_METRICS, MOST_PARAMS_OR_TAGS = 1000, 100
"""How many MLflow accepts in one call."""


class RunWriter:
    """Writes to runs with one client. After a call that raised, a new writer is needed.

    A writer remembers which points a run has. After a call that raised, it does not know which
    points MLflow has stored.
    """

    def __init__(self, client: "MlflowClient") -> None:
        self._client = client
        self._known: dict[tuple[str, str], set[int]] = {}

    def write(self, run_id: str, kind: str, content: Any, *, files: str, time_ms: int) -> None:
        """Writes one thing to a run.

        Args:
            run_id: The id of the run.
            kind: params, points, tags, dataset, shared_datasets, artifacts, json, texts,
                table or end.
            content: As the method of that kind describes it.
            files: The folder to send, for the kind artifacts; "" otherwise.
            time_ms: When the content was measured, in milliseconds since 1970.
        """
        if kind == "points":
            self._write_points(run_id, content, time_ms)
        elif kind == "artifacts":
            self._client.log_artifacts(run_id, files, content["place"] or None)
        else:
            getattr(self, f"_write_{kind}")(run_id, content)

    def _write_params(self, run_id: str, items: list[Item]) -> None:
        """Writes [name, value] items. MLflow refuses another value of a known parameter."""
        from mlflow.entities import Param

        for start in range(0, len(items), MOST_PARAMS_OR_TAGS):
            part = items[start : start + MOST_PARAMS_OR_TAGS]
            self._client.log_batch(run_id, params=[Param(*item) for item in part])

    def _write_points(self, run_id: str, items: list[Item], time_ms: int) -> None:
        """Writes [metric, value, step] items without those whose metric and step are known."""
        from mlflow.entities import Metric

        for name in {name for name, _, _ in items} - {n for r, n in self._known if r == run_id}:
            history = self._client.get_metric_history(run_id, name)
            self._known[run_id, name] = {point.step for point in history}
        # A row keeps the time of its measurement. If a call that raised has stored it, it is then
        # the same row again, which MLflow stores once.
        rows = [
            Metric(name, value, time_ms, step)
            for name, value, step in items
            if step not in self._known[run_id, name]
        ]
        for start in range(0, len(rows), MOST_METRICS):
            part = rows[start : start + MOST_METRICS]
            self._client.log_batch(run_id, metrics=part)
            for row in part:
                self._known[run_id, row.key].add(row.step)

    def _write_tags(self, run_id: str, items: list[Item]) -> None:
        """Writes [name, value] items."""
        from mlflow.entities import RunTag

        for start in range(0, len(items), MOST_PARAMS_OR_TAGS):
            part = items[start : start + MOST_PARAMS_OR_TAGS]
            self._client.log_batch(run_id, tags=[RunTag(*item) for item in part])

    def _write_dataset(self, run_id: str, content: dict[str, Any]) -> None:
        """Writes an input from {name, digest, source, context, rows}."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        source = content["source"]
        data = Dataset(
            content["name"],
            content["digest"],
            "local" if "://" not in source else "s3",
            json.dumps({"uri": source}),
            profile=json.dumps({"num_rows": content["rows"]}),
        )
        context = InputTag("mlflow.data.context", content["context"])
        self._client.log_inputs(run_id, [DatasetInput(data, tags=[context])])

    def _write_shared_datasets(self, run_id: str, names: list[str]) -> None:
        """Writes the parent run's inputs of these names as inputs of the run."""
        parent_id = self._client.get_run(run_id).data.tags[PARENT_RUN_TAG]
        inputs = self._client.get_run(parent_id).inputs
        found = inputs.dataset_inputs if inputs else []
        self._client.log_inputs(run_id, [each for each in found if each.dataset.name in names])

    def _write_json(self, run_id: str, content: dict[str, Any]) -> None:
        """Writes a JSON file from {name, content}."""
        self._client.log_dict(run_id, content["content"], content["name"])

    def _write_texts(self, run_id: str, texts: dict[str, str]) -> None:
        """Writes text files from {name: text}."""
        for name, text in texts.items():
            self._client.log_text(run_id, text, name)

    def _write_table(self, run_id: str, content: dict[str, Any]) -> None:
        """Writes a table from {name, columns, data}; it replaces a table of the same name.

        MLflow's own log_table appends rows to a table, so a second try would double them.
        """
        table = {"columns": content["columns"], "data": content["data"]}
        self._client.log_dict(run_id, table, content["name"])
        known = json.loads(self._client.get_run(run_id).data.tags.get(TABLES_TAG, "[]"))
        about = {"path": content["name"], "type": "table"}
        if about not in known:
            self._client.set_tag(run_id, TABLES_TAG, json.dumps([*known, about]))

    def _write_end(self, run_id: str, content: dict[str, Any]) -> None:
        """Ends the run with {tags, status}."""
        self._write_tags(run_id, [list(item) for item in content["tags"].items()])
        self._client.set_terminated(run_id, status=content["status"])


def is_refusal(error: BaseException) -> bool:
    """Says whether MLflow refuses what was sent, so that sending it again is useless.

    The error of a gateway without a server behind it is no refusal. Neither are errors that depend
    on the user or on the time: 401, 403, 408 and 429.
    """
    from mlflow.exceptions import MlflowException, RestException
    from requests.exceptions import HTTPError

    if isinstance(error, HTTPError) and error.response is not None:
        # This is the upload of a file. A 404 may come from a gateway.
        return error.response.status_code in (400, 405, 409, 411, 413, 414, 415, 422)
    if not isinstance(error, MlflowException):
        return False
    if not isinstance(error, RestException) and str(error).startswith("API request"):
        return False
    status: int = error.get_http_status_code()  # type: ignore[no-untyped-call]
    return 400 <= status < 500 and status not in (401, 403, 408, 429)
