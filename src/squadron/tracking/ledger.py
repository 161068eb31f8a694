"""The ledger of a model: a list in MLflow to which processes add, and which nobody can change.

MLflow has no transactions, but a *parameter* of a run can be written only once. The ledger of a
model is a run, and each entry is a parameter. Of two processes that write the same entry, one
succeeds and the other one learns that it did not. docs/decisions/promotion.md has the reasons.
"""

from typing import TYPE_CHECKING

from squadron.tracking import elections
from squadron.tracking.experiments import find_or_create_experiment
from squadron.tracking.tags import NOTE_TAG

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "squadron-promotions"
"""The experiment of all ledgers, one run for each model."""
MODEL_TAG = "squadron.model"
"""The tag of a ledger with the name of its model."""
_NOTE = (
    "Each parameter is a promotion or a rollback. `squadron history ALIAS` shows them, and "
    "`squadron rollback ALIAS` needs them, so keep this run."
)
MOST_CHARACTERS = 6000
"""MLflow's limit for the value of a parameter."""


def find_ledger(client: "MlflowClient", model: str) -> str:
    """Returns the id of a model's ledger; "" if nothing was ever written to it."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    if experiment is None or experiment.lifecycle_stage == "deleted":
        return ""
    return elections.find_chosen(client, experiment.experiment_id, _filter(model))


def open_ledger(client: "MlflowClient", model: str) -> str:
    """Returns the id of a model's ledger, which is created if there is none.

    Raises:
        InputError: If the experiment of the ledgers was deleted.
    """
    experiment_id = find_or_create_experiment(client, EXPERIMENT)

    def create() -> None:
        name = f"promotions of {model}"
        tags = {MODEL_TAG: model, NOTE_TAG: _NOTE}
        made = client.create_run(experiment_id, run_name=name, tags=tags)
        # Nothing runs here. MLflow accepts parameters of a run that has ended.
        client.set_terminated(made.info.run_id)

    return elections.choose_run(client, experiment_id, _filter(model), create)


def read_entries(client: "MlflowClient", ledger: str) -> dict[str, str]:
    """Returns all entries of a ledger by their names; {} for the ledger ""."""
    if not ledger:
        return {}
    params = client.get_run(ledger).data.params
    return {name: text for name, text in params.items() if name != elections.CHOSEN}


def add_entry(client: "MlflowClient", ledger: str, name: str, text: str) -> bool:
    """Adds an entry; returns whether the entry has this text afterwards.

    Args:
        client: A client of the store.
        ledger: The id of the ledger.
        name: The name of the entry.
        text: Its text, at most `MOST_CHARACTERS` long.
    """
    from mlflow.exceptions import MlflowException

    try:
        elections.persist(client.log_param, ledger, name, text)
    except MlflowException:
        known = read_entries(client, ledger)
        if name not in known:
            raise
        return known[name] == text
    return True


def _filter(model: str) -> str:
    """Returns a filter of MLflow that the ledger of a model passes."""
    return f"tags.`{MODEL_TAG}` = '{model}'"
