"""`squadron compare --data`: two registered versions answer a file, with real tiny models."""

import json

import pytest
import torch

from squadron import tracking
from squadron.__main__ import main
from squadron.answers.answering import Answering
from squadron.config import Contender, Windows
from squadron.models import model_folder, variants
from squadron.models.backbones import load_tokenizer
from squadron.registry import registration
from tests import tiny_models
from tests.stores import make_store

pytestmark = pytest.mark.slow
NAME = "squadron-example"
QUESTIONS = (*tiny_models.EIGHT_QUESTIONS, *tiny_models.UNANSWERED)
# With this threshold, the second version answers nothing.
THRESHOLDS = {"1": None, "2": 1e9}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with a file of questions and a store with two versions of a model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(tracking.URI_VARIABLE, make_store(tmp_path / "runs"))
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    backbone = tiny_models.write_backbone(tmp_path / "backbone", head=False)
    module = variants.load_variant("span")
    torch.manual_seed(0)  # a head that is drawn may answer a question rightly
    windows = Windows(max_length=48, stride=8, max_question_length=16)
    model_folder.write_model(
        tmp_path / "model",
        module.build(backbone, module.Options()),
        load_tokenizer(backbone),
        Contender("span", backbone=backbone, windows=windows, predict=tiny_models.FP32),
        made_from="m",
    )
    for version, threshold in THRESHOLDS.items():
        race = tracking.Race("example", f"{version}0123abc")
        tracking.open_race(race, ["span"], {}, "4f2a9c1")
        run = tracking.find_child(race, "span")
        registration.register_model(NAME, run, tmp_path / "model", Answering(threshold), {})
    tiny_models.write_squad(tmp_path / "questions.json", QUESTIONS, "Portugal")
    return tmp_path


def test_both_versions_answer_a_file_and_get_the_figures_of_evaluate(folder, capsys):
    def ask(*arguments):
        capsys.readouterr()
        assert main([*arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    found = ask("compare", "2", "1", "--data", "questions.json")
    for place, version in enumerate(("2", "1")):
        alone = ask("evaluate", version, "questions.json")["figures"]
        for name in ("exact_match", "f1"):
            assert found["figures"][place][name]["value"] == alone[name]
    # Version 2 is right about the two questions without an answer, and about no other.
    assert found["figures"][0]["exact_match"]["value"] == 20.0
    compared = found["comparison"]
    assert (compared["questions"], compared["first_alone"]) == (10, 2)
    assert [each["golds"] for each in compared["won"]] == [[], []]
    assert all(each["wrong"] for each in compared["won"])


def test_a_file_that_is_not_there_is_one_sentence(folder, capsys):
    assert main(["compare", "2", "1", "--data", "nowhere.json"]) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert "nowhere.json" in sentence
