"""A model is tried before it answers."""

import dataclasses

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
