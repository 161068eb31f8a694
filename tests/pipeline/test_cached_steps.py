"""What is computed again after a change, and what is not: whole races of a copy of the project."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pipeline.tiny_race import ROOT, client, runs_of, write_experiment

pytestmark = pytest.mark.slow
LOOP = ["featurize", "train", "predict", "evaluate"]
ALWAYS = ["close-race", "open-race"]


class Project:
    """A copy of the project and a small experiment; each race says which steps it ran."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.source = folder, folder / "project" / "src" / "squadron"
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
        known = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
        done = subprocess.run(
            [sys.executable, "project/pipeline.py", "run", "tiny.yaml"],
            cwd=self.folder,
            env={**known, "PYTHONPATH": source, "SQUADRON_GIT_SHA": "4f2a9c1"},
            capture_output=True,
            text=True,
            timeout=1800,
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


def test_a_new_contender_trains_alone_and_the_old_one_has_all_its_figures(project):
    before = runs_of(project.folder)["span"]
    project.change(contenders=["span", {"variant": "span", "label": "second"}])
    # Both have the same windows, so nothing is cut again.
    expected = [*ALWAYS, "admit", "train", "predict", "evaluate", "register", "report"]
    assert project.race() == sorted(expected)
    found = client(project.folder).search_runs([before.info.experiment_id])
    again = [run for run in found if run.data.tags["squadron.contender"] == "span"]
    assert len(again) == 2
    ours, first = again
    assert first.info.run_id == before.info.run_id
    assert ours.data.params == first.data.params
    assert {"select_exact_match", "train_loss"} <= ours.data.metrics.keys()
    assert ours.data.metrics == first.data.metrics
    assert ours.info.status == first.info.status == "FINISHED"
    names = [
        sorted(each.dataset.name for each in run.inputs.dataset_inputs) for run in (ours, first)
    ]
    assert names[0] == names[1] == ["select", "test", "train", "tune"]


def test_a_changed_template_makes_one_report(project):
    races = len({r.data.tags["squadron.race"] for r in runs_of(project.folder).values()})
    with (project.source / "templates" / "report.html.j2").open("a") as file:
        file.write("<!-- changed -->\n")
    assert project.race() == sorted([*ALWAYS, "report"])
    again = len({r.data.tags["squadron.race"] for r in runs_of(project.folder).values()})
    assert again == races


def test_changed_settings_of_registration_compute_nothing_again(project):
    project.change(register={"demo": True, "model_name": "another"})
    assert project.race() == sorted([*ALWAYS, "register", "report"])


def test_changed_windows_make_all_again_that_uses_them(project):
    with (project.source / "windows.py").open("a") as file:
        file.write("# changed\n")
    ran = project.race()
    # The second contender's windows are those of the first one, from the cache.
    assert [ran.count(step) for step in LOOP] == [1, 2, 2, 2]
    assert "ingest" not in ran


def test_changed_training_trains_again_instead_of_going_on_from_checkpoints(project):
    """The fault that this holds: weights trained by old code stood under the new commit."""
    before = model_of(project)
    training = project.source / "training.py"
    text = training.read_text()
    changed = text.replace("share / len(group)", "0.0 * share / len(group)")
    assert changed != text
    training.write_text(changed)
    ran = project.race()
    assert [ran.count(step) for step in LOOP] == [0, 2, 2, 2]
    assert model_of(project) != before


def model_of(project: Project) -> bytes:
    places = sorted((project.folder / "results").glob("*/span/model"), key=os.path.getmtime)
    return (places[-1] / "model.safetensors").read_bytes()


def test_a_new_store_behind_a_warm_cache_gets_a_whole_race(project):
    (project.folder / "runs" / "mlflow.db").unlink()
    shutil.rmtree(project.folder / "runs" / "artifacts")
    assert project.race() == sorted([*ALWAYS, "register", "report"])
    runs = runs_of(project.folder)
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    for label in ("span", "second"):
        assert {"select_exact_match", "test_f1", "train_loss"} <= runs[label].data.metrics.keys()
        assert runs[label].data.params["variant"] == "span"
    version = client(project.folder).get_model_version_by_alias("another", "candidate")
    assert version.tags["git_sha"] == "4f2a9c1"
    assert re.fullmatch("[0-9a-f]{16}", version.tags["code_digest"])
    assert "Winner: " in project.shown
