"""Experiment files that tests of this folder write and load."""

import pytest

from squadron.config import load_experiment
from squadron.errors import InputError

SMALLEST = "data: {train: a.json}\ncontenders: [span]\n"


def load(folder, text, *overrides):
    path = folder / "race.yaml"
    path.write_text(text, encoding="utf-8")
    return load_experiment(path, overrides)


def refusal(folder, text, *overrides):
    """The message without the file's name, which has to stand first."""
    with pytest.raises(InputError) as caught:
        load(folder, text, *overrides)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(f"{folder / 'race.yaml'}: ")
