"""Links to the pages of runs."""

from squadron.tracking.store import connect, explained, shown_store

PAGES = "?workflowType=machine_learning"
"""Ends every link: MLflow opens a page with the menus for traces of language models otherwise."""


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


def artifact_place(run_id: str, name: str) -> str:
    """Where an artifact can be looked at: its file where artifacts are files, else the run."""
    client = connect()
    with explained():
        place = str(client.get_run(run_id).info.artifact_uri)
    return f"{place}/{name}" if place.startswith("file:") else run_url(run_id)
