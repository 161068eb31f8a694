"""Windows that a backbone has no positions for are refused before a race, and by featurize."""

import json
from pathlib import Path

import pytest

from launch.plan import check_experiment
from squadron import steps
from squadron.config import Data, Splits, build_experiment, to_json
from squadron.errors import InputError
from tests import tiny_models

CORPUS = str(Path(__file__).resolve().parents[3] / "examples" / "corpus.json")


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """A BERT with 100 positions: windows of 96 tokens fit, 97 are padded to 104."""
    folder = tmp_path_factory.mktemp("tiny") / "backbone"
    return tiny_models.write_backbone(folder, max_position_embeddings=100)


def sentence(backbone, max_length):
    padded = -(-max_length // 8) * 8
    return (
        f"windows -> max_length: {max_length} is not allowed for the backbone {backbone!r}, which "
        f"has 100 positions, as windows are padded to a multiple of 8 tokens (here {padded}); "
        "choose 96 or less"
    )


def experiment(backbone, max_length):
    windows = {"max_length": max_length, "stride": 16, "max_question_length": 32}
    contender = {"variant": "span", "backbone": backbone, "windows": windows}
    raw = {"name": "x", "data": {"train": CORPUS}, "contenders": ["pretrained", contender]}
    return build_experiment(raw)


def test_an_experiment_with_windows_beyond_the_positions_is_refused_before_it_runs(backbone):
    check_experiment(experiment(backbone, 96))
    for max_length in (97, 600):
        with pytest.raises(InputError) as caught:
            check_experiment(experiment(backbone, max_length))
        assert str(caught.value) == sentence(backbone, max_length)


def test_the_offline_backbone_is_checked_before_it_runs_too():
    check_experiment(experiment("all-MiniLM-L6-v2", 512))
    with pytest.raises(InputError, match=r"600 is not allowed .* which has 512 positions"):
        check_experiment(experiment("all-MiniLM-L6-v2", 600))


def test_admit_checks_what_the_plan_could_not_see(backbone, tmp_path, capsys):
    data = Data(train=(CORPUS,), splits=Splits(2, 2, 2), max_train_examples=8)
    steps.ingest(data=to_json(data), examples=tmp_path / "examples")
    windows = {"max_length": 97, "stride": 16, "max_question_length": 32}
    entry = {"label": "one", "backbone": backbone, "windows": windows, "trained_on": {}}
    entry["frozen_layers"] = 0
    with pytest.raises(SystemExit) as stop:
        steps.admit(contenders=json.dumps([entry]), examples=tmp_path / "examples")
    assert stop.value.code == 2
    assert f"admit: {sentence(backbone, 97)}" in capsys.readouterr().err
