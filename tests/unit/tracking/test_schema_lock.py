"""A new sqlite store gets its tables whole or not at all."""

import pytest
from mlflow.store.db import utils

from squadron import tracking


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setenv(tracking.URI_VARIABLE, f"sqlite:///{tmp_path}/mlflow.db")
    return tmp_path / "mlflow.db"


def test_a_creation_that_is_stopped_leaves_no_store(file, monkeypatch):
    def stop(engine):
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE experiments (name TEXT)")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(utils, "_initialize_tables", stop)
        with pytest.raises(KeyboardInterrupt):
            tracking.connect()
    assert not file.exists()
    # The next try does not go on with what is left.
    assert [each.name for each in tracking.connect().search_experiments()] == ["Default"]
    assert {path.name for path in file.parent.iterdir()} == {"mlflow.db", "mlflow.db.lock"}
