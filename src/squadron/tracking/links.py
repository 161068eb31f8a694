"""Links to runs and their artifacts, for people who read MLflow's pages or a terminal."""

from squadron.tracking.store import connect, explained, shown_store

PAGES = "?workflowType=machine_learning"
"""The end of every link. Without it, MLflow shows the menus for traces of language models."""


def run_url(run_id: str) -> str:
    """Returns where a person finds a run: its page on the server, or runs:/ID without a server."""
    uri = shown_store()
    return f"{uri.rstrip('/')}/{run_page(run_id)}" if uri.startswith("http") else f"runs:/{run_id}"


def run_page(run_id: str) -> str:
    """Returns a link to a run that works on MLflow's own pages of any server; "" for no run."""
    if not run_id:
        return ""
    client = connect()
    with explained():
        experiment_id = client.get_run(run_id).info.experiment_id
    return f"#/experiments/{experiment_id}/runs/{run_id}{PAGES}"


def artifact_place(run_id: str, name: str) -> str:
    """Returns where a person can open an artifact: its file if it is local, else the run's page."""
    client = connect()
    with explained():
        place = str(client.get_run(run_id).info.artifact_uri)
    return f"{place}/{name}" if place.startswith("file:") else run_url(run_id)
