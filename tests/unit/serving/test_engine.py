"""A model is tried before it answers; the thread that loads it keeps no helpers of OpenMP."""

import dataclasses
import os
import subprocess
import sys

import pytest
import torch

from squadron import registry
from squadron.errors import InputError
from squadron.models import starter
from squadron.serving.engine import load_engine


def test_a_model_answers_its_input_example(model):
    with registry.open_model(str(model)) as opened:
        engine = load_engine(opened)
    engine.try_example()
    assert (engine.name, engine.version, engine.variant) == ("span", "", "span")


def test_a_model_whose_weights_are_damaged_is_refused(model):
    with registry.open_model(str(model)) as opened:
        engine = load_engine(opened)
    with torch.no_grad():
        for weight in engine.reader._model.parameters():
            weight.fill_(float("nan"))
    broken = dataclasses.replace(engine, name="broken", version="7")
    with pytest.raises(InputError, match="broken 7 finds no span in its input example"):
        broken.try_example()


def test_the_starter_has_its_figures():
    with registry.open_model("starter") as opened:
        engine = load_engine(opened)
    assert opened.folder == starter.FOLDER
    assert engine.name == "starter"
    figure = engine.figures["squad1_dev_exact_match"]
    assert figure["low"] < figure["value"] < figure["high"]


THREADS = """
import os, torch
from squadron import registry
from squadron.serving.engine import load_engine

with registry.open_model("starter") as opened:
    engine = load_engine(opened)
before = len(os.listdir("/proc/self/task"))
torch.ones(1 << 22).mul_(2.0)
print(len(os.listdir("/proc/self/task")) - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems don't show the threads so")
def test_the_thread_that_loads_a_model_keeps_no_helpers_of_openmp():
    # The first loop of the main thread starts its helper, so loading has not left one.
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", THREADS], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1"]
