"""What is computed again after a change, and what is not: whole races of a copy of the project."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.limits import PATIENCE_SECONDS
from tests.pipeline.tiny_race import ROOT, write_experiment

pytestmark = pytest.mark.slow
LOOP = ["featurize", "train", "predict", "evaluate"]
ALWAYS = ["close-race", "open-race"]


class Project:
    """A copy of the project and a small experiment; each race says which steps it ran."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.source = folder, folder / "project" / "src" / "squadron"
        self.store = f"sqlite:///{folder}/runs/mlflow.db"
        for name in ("src", "components", "launch"):
            shutil.copytree(ROOT / name, folder / "project" / name)
        shutil.copy(ROOT / "pipeline.py", folder / "project")
        write_experiment(folder, ["span"], epochs=1)
        self.change(data={"max_train_examples": 24, "max_test_examples": 10})

    def change(self, **changes: object) -> None:
        file = self.folder / "tiny.yaml"
        experiment = json.loads(file.read_text())
        for key, value in changes.items():
            old = experiment.get(key)
            experiment[key] = {**old, **value} if isinstance(old, dict) else value
        file.write_text(json.dumps(experiment))

    def race(self) -> list[str]:
        log = self.folder / "runs" / "pipeline.log"
        seen = len(log.read_text()) if log.exists() else 0
        source = str(self.folder / "project" / "src")
        done = subprocess.run(
            [sys.executable, "project/pipeline.py", "run", "tiny.yaml"],
            cwd=self.folder,
            env={
                **os.environ,
                "MLFLOW_TRACKING_URI": self.store,
                "PYTHONPATH": source,
                "SQUADRON_GIT_SHA": "4f2a9c1",
            },
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        assert done.returncode == 0, done.stderr + done.stdout
        self.shown = done.stdout
        return sorted(re.findall(r"Executing task \S*'([a-z-]+)'", log.read_text()[seen:]))


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Project:
    """After its first race."""
    made = Project(tmp_path_factory.mktemp("project"))
    assert made.race() == sorted([*ALWAYS, "ingest", "admit", *LOOP, "register", "report"])
    return made


def test_finished_trainings_leave_no_checkpoints(project):
    assert list((project.folder / "runs").glob("checkpoints/*/*")) == []


def test_the_same_race_again_runs_no_step_but_the_first_and_the_last(project):
    assert project.race() == ALWAYS


def test_a_change_of_where_and_how_the_winner_is_registered_computes_nothing_else(project):
    project.change(register={"demo": False}, results=str(project.folder / "elsewhere"))
    assert project.race() == sorted([*ALWAYS, "register", "report"])
    assert len(list((project.folder / "elsewhere").glob("*/span/model/_COMMITTED"))) == 1
    project.change(register={"demo": True}, results=str(project.folder / "results"))
    assert project.race() == ALWAYS


def test_a_changed_template_makes_one_report(project):
    races = {run.data.tags["squadron.race"] for run in all_runs(project)}
    with (project.source / "reports" / "templates" / "report.html.j2").open("a") as file:
        file.write("<!-- changed -->\n")
    assert project.race() == sorted([*ALWAYS, "report"])
    assert {run.data.tags["squadron.race"] for run in all_runs(project)} == races
    # The older report stays where it was published.
    assert len(list((project.folder / "results").glob("*/report*"))) == 2


def test_changed_windows_and_training_make_all_again_that_uses_them(project):
    """The fault that this holds: weights trained by old code stood under the new commit."""
    before = model_of(project)
    with (project.source / "data" / "windows.py").open("a") as file:
        file.write("# changed\n")
    training = project.source / "models" / "training.py"
    text = training.read_text()
    changed = text.replace("share / len(group)", "0.0 * share / len(group)")
    assert changed != text
    training.write_text(changed)
    assert project.race() == sorted([*ALWAYS, *LOOP, "register", "report"])
    assert model_of(project) != before


def test_a_new_store_behind_a_warm_cache_gets_a_whole_race(project):
    project.store = f"sqlite:///{project.folder}/runs/another.db"
    assert project.race() == sorted([*ALWAYS, "register", "report"])
    parent, span = sorted(all_runs(project), key=lambda run: run.data.tags["squadron.contender"])
    assert parent.info.status == span.info.status == "FINISHED"
    assert {"select_exact_match", "test_f1", "train_loss"} <= span.data.metrics.keys()
    assert span.data.params["variant"] == "span"
    version = MlflowClient(project.store).get_model_version_by_alias("squadron-tiny", "candidate")
    assert version.run_id == span.info.run_id
    assert version.tags["git_sha"] == "4f2a9c1"
    assert re.fullmatch("[0-9a-f]{16}", version.tags["code_digest"])
    assert "Winner: " in project.shown


def test_a_new_contender_trains_alone_and_the_old_one_has_all_its_figures(project):
    (before,) = [run for run in all_runs(project) if run.data.tags["squadron.contender"] == "span"]
    project.change(contenders=["span", {"variant": "span", "label": "second"}])
    # Both have the same windows, so nothing is cut again.
    expected = [*ALWAYS, "admit", "train", "predict", "evaluate", "register", "report"]
    assert project.race() == sorted(expected)
    again = [run for run in all_runs(project) if run.data.tags["squadron.contender"] == "span"]
    ours, first = again
    assert first.info.run_id == before.info.run_id
    assert ours.data.params["variant"] == first.data.params["variant"]
    assert {"select_exact_match", "train_loss"} <= ours.data.metrics.keys()
    assert ours.data.metrics == first.data.metrics
    assert ours.info.status == first.info.status == "FINISHED"
    for run in again:
        names = sorted(each.dataset.name for each in run.inputs.dataset_inputs)
        assert names == ["select", "test", "train", "tune"]


def all_runs(project: Project):
    mlflow = MlflowClient(project.store)
    experiment = mlflow.get_experiment_by_name("tiny")
    return mlflow.search_runs([experiment.experiment_id])


def model_of(project: Project) -> bytes:
    places = sorted((project.folder / "results").glob("*/span/model"), key=os.path.getmtime)
    return (places[-1] / "model.safetensors").read_bytes()
