"""A register that is killed anywhere and repeated leaves one version and one of each alias."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from squadron import tracking
from squadron.registry import promotions, stored_model
from tests import killed_register
from tests.gated_race import NAME

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.killed_register", str(folder)],
        cwd=ROOT,
        env=environment | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (folder / "found.json").is_file(), done.stderr[-3000:]
    return json.loads((folder / "found.json").read_text())


def test_every_process_was_killed_in_the_middle_and_the_next_one_succeeded(found):
    assert found["counts"]["commit"] > killed_register.COMMITS
    codes = [(each["killed"], each["repeated"]) for each in found["found"]]
    expected = killed_register.COMMITS + killed_register.COPIES
    assert codes == [(killed_register.KILLED, 0)] * expected


def test_one_version_and_one_of_each_alias_are_left(found, monkeypatch):
    for each in found["found"]:
        uri = f"sqlite:///{each['store']}/mlflow.db"
        monkeypatch.setenv(tracking.URI_VARIABLE, uri)
        client = tracking.connect_existing()
        assert isinstance(client, MlflowClient)
        (version,) = client.search_model_versions(f"name = '{NAME}'")
        number = str(version.version)
        aliases = client.get_registered_model(NAME).aliases
        held = {alias: str(value) for alias, value in aliases.items()}
        assert held == {"candidate": number, "staging": number}, each["store"]
        (move,) = promotions.read_history(NAME, "staging")
        assert (move.version, move.reason) == (number, "race gated-89ab")
        tags = client.get_model_version(NAME, number).tags
        assert tags["validation_status"] == "passed"
        assert tags["staging_since"] == move.describe()
        stored_model.check_version(f"models:/{NAME}/{number}")
