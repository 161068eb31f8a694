"""`pipeline.py check`: what ingest and admit find, without a run and without a trace."""

import json
import os
import subprocess
import sys

import pytest

from squadron import tracking
from tests.limits import PATIENCE_SECONDS
from tests.pipeline.tiny_race import CORPUS, ROOT, write_experiment

pytestmark = pytest.mark.slow


def check(folder, *settings):
    """Runs the command; returns what it printed after making sure that it left nothing."""
    before = sorted(folder.rglob("*"))
    variables = {k: v for k, v in os.environ.items() if k != tracking.URI_VARIABLE}
    temporary = folder.parent / f"{folder.name}-temporary"
    temporary.mkdir(exist_ok=True)
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "pipeline.py"),
            "check",
            "tiny.yaml",
            *(part for setting in settings for part in ("--set", setting)),
        ],
        cwd=folder,
        env={**variables, "TMPDIR": str(temporary)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert sorted(folder.rglob("*")) == before
    assert not list(temporary.glob("squadron-*"))
    assert "Traceback" not in done.stderr + done.stdout
    return done


def test_an_experiment_that_can_race_is_said_so_with_its_splits_and_contenders(tmp_path):
    write_experiment(
        tmp_path, ["span", "champion", {"variant": "span", "label": "second"}], has_store=False
    )
    done = check(tmp_path)
    assert done.returncode == 0, done.stderr
    first, *rest = done.stdout.splitlines()
    assert first.startswith("ingest     ")
    assert "examples: train 120 of 720 (data.max_train_examples), tune " in first
    assert rest == [
        "admit      2 contenders may race: span, second",
        "Nothing was found that would stop a race. Nothing was trained or stored.",
    ]
    assert done.stderr.startswith("champion: ")


def test_what_would_stop_a_race_is_said_in_one_sentence(tmp_path):
    write_experiment(tmp_path, ["span"], has_store=False)
    (tmp_path / "bad.json").write_text(json.dumps({"data": [{"paragraphs": []}]}))
    for setting, words in {
        "contenders=[spam]": "'spam' is not a variant",
        "data.train=none.json": "none.json",
        "data.train=bad.json": "ingest: bad.json: data[0] has no field 'title'",
        "data.splits.tune=500": "ingest: The split ",
        f"data.test={CORPUS}": "paragraphs of the test split are also in the train split",
        f"trained_on.files=[{CORPUS}]": "admit: The contender 'span' stands on",
    }.items():
        done = check(tmp_path, setting)
        assert done.returncode == 2, setting
        assert words in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
