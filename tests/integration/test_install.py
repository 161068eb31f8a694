"""A race runs where exactly what `make run` installs is installed, and a model is served.

The Makefile names extras of pyproject.toml, and one package that comes without what it asks for;
the Dockerfile names the extras of the image `serve`.
tests/fresh_venv.py explains why its environment equals an installation.
"""

import importlib.metadata
import json
import os
import re
import subprocess
import tomllib
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from packaging.utils import canonicalize_name

from tests import fresh_venv
from tests.limits import PATIENCE_SECONDS
from tests.pipeline import tiny_race
from tests.serve_process import ServeProcess

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def find_installed(target):
    """The distributions that a target of the Makefile installs, by canonical name."""
    shown = subprocess.run(
        ["make", "--dry-run", "--always-make", target],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    lines = [line for line in shown.splitlines() if "pip install" in line]
    extras = [found for line in lines for found in re.findall(r"-e '\.\[([\w,]+)\]'", line)]
    alone = [line.split()[-1] for line in lines if "--no-deps" in line]
    return find_extras(",".join(extras)) | {
        canonicalize_name(name): importlib.metadata.distribution(name) for name in alone
    }


def find_extras(extras):
    """The distributions of this package with extras, such as "offline,serving"."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = list(project["dependencies"])
    for extra in extras.split(","):
        wanted += project["optional-dependencies"][extra]
    return fresh_venv.close_over(wanted)


@pytest.fixture(scope="module")
def installed():
    return find_installed(".venv/run")


def test_what_only_a_server_or_nobody_uses_is_not_installed(installed):
    unused = {"mlflow", "flask", "gunicorn", "matplotlib", "sentence-transformers", "skops"}
    assert unused & installed.keys() == set()


def find_in_image():
    """The distributions of the image `serve`."""
    text = (ROOT / "docker" / "Dockerfile").read_text()
    serve = text.partition("AS build-pipeline")[0]
    (extras,) = re.findall(r"install .*'\.\[([\w,]+)\]'", serve)
    return find_extras(extras)


@pytest.mark.parametrize("find", [lambda: find_installed(".venv/serve"), find_in_image])
def test_a_model_is_served_without_the_whole_of_mlflow(tmp_path, find):
    found = find()
    assert {"mlflow", "flask", "gunicorn", "matplotlib"} & found.keys() == set()
    python = fresh_venv.make_venv(tmp_path / "venv", found)
    (packages,) = (tmp_path / "venv").glob("lib/python3*/site-packages")
    (packages / "own.pth").write_text(str(ROOT / "src"))
    question = {"question": "When was it built?", "context": "The mill was built in 1742."}
    with ServeProcess(tmp_path, "--model", "starter", python=python) as server:
        headers = {"Content-Type": "application/json"}
        asked = Request(f"{server.url}answer", json.dumps(question).encode(), headers)
        with urlopen(asked, timeout=PATIENCE_SECONDS) as response:
            answer = json.load(response)["answer"]
    assert answer["text"] == "1742"
    assert answer["evidence"]["text"] == question["context"]


def test_a_race_runs_and_its_model_answers(installed, tmp_path):
    python = fresh_venv.make_venv(tmp_path / "venv", installed)
    (packages,) = (tmp_path / "venv").glob("lib/python3*/site-packages")
    (packages / "own.pth").write_text(str(ROOT / "src"))
    folder = tmp_path / "race"
    folder.mkdir()
    tiny_race.write_experiment(folder, ["pretrained"], has_store=False)
    own = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "MLFLOW_"))}
    race = [str(ROOT / "pipeline.py"), "run", "tiny.yaml"]
    ask = ["-m", "squadron", "ask", "--context", "Rome is old.", "What is old?"]
    for arguments in (race, ask):
        done = subprocess.run(
            [str(python), *arguments], cwd=folder, env=own, capture_output=True, text=True,
            timeout=PATIENCE_SECONDS,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    assert "Answer:" in done.stdout
    # A registered model is served by the whole MLflow, which has the same version.
    (needed,) = (folder / "runs").rglob("artifacts/requirements.txt")
    version = importlib.metadata.version("mlflow-skinny")
    assert f"mlflow=={version}" in needed.read_text().split()
