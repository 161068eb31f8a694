"""Checks that the examples of docs/python.md run as they are, with a registered model."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from squadron import tracking
from squadron.answers.answering import Answering
from squadron.config import Contender, Windows
from squadron.models import model_folder, variants
from squadron.models.backbones import load_tokenizer
from squadron.registry import registration
from tests import tiny_models
from tests.limits import PATIENCE_SECONDS

pytestmark = pytest.mark.slow
PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"
QUESTIONS = (*tiny_models.EIGHT_QUESTIONS, *tiny_models.UNANSWERED)
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder in which a race has registered a model, with a file of questions."""
    folder = tmp_path_factory.mktemp("python")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in (tracking.URI_VARIABLE, "MLFLOW_RUN_ID"):
            # MLflow itself sets the variable of its URI; by this, `patch` unsets it at the end.
            patch.setenv(name, "")
            patch.delenv(name)
        backbone = tiny_models.write_backbone(folder / "backbone", head=False)
        windows = Windows(max_length=48, stride=8, max_question_length=16)
        module = variants.load_variant("span")
        model_folder.write_model(
            folder / "model",
            module.build(backbone, module.Options()),
            load_tokenizer(backbone),
            Contender("span", backbone=backbone, windows=windows, predict=tiny_models.FP32),
            made_from="m",
        )
        race = tracking.Race("example", "0123abcd")
        tracking.open_race(race, ["span"], {}, "4f2a9c1")
        child = tracking.find_child(race, "span")
        registration.register_model("squadron-example", child, folder / "model", Answering(), {})
        tracking.close_race(tracking.find_parent(race), succeeded=True)
    tiny_models.write_squad(folder / "questions.json", QUESTIONS, "Portugal")
    return folder


def run(folder, code):
    environment = {k: v for k, v in os.environ.items() if k != tracking.URI_VARIABLE}
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


def test_the_first_example_answers_questions(folder):
    done = run(folder, EXAMPLES[0])
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2  # a model without a null threshold answers both questions
    for line in lines:
        text, start, end, probability = line.rsplit(" ", 3)
        assert len(text) == int(end) - int(start) > 0
        assert probability == "None"


def test_the_second_example_takes_options(folder):
    done = run(folder, EXAMPLES[1])
    assert done.returncode == 0, done.stderr
    others, windows = done.stdout.rsplit(" ", 1)
    assert len(ast.literal_eval(others)) == 2
    assert int(windows) >= 1


def test_the_third_example_asks_about_several_texts_through_mlflow(folder):
    done = run(folder, EXAMPLES[2])
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert " 1 {'text': 'The tram came" in line or " 0 {'text': 'The old library" in line


def test_the_fourth_example_judges_the_model(folder):
    done = run(folder, EXAMPLES[3])
    assert done.returncode == 0, done.stderr
    exact, f1, low, high, seen = map(float, done.stdout.split())
    assert 0 <= low <= exact <= high <= 100
    assert 0 <= f1 <= 100
    assert seen == 0


def test_the_fifth_example_scores_with_the_library_evaluate(folder):
    done = run(folder, EXAMPLES[4])
    assert done.returncode == 0, done.stderr
    figures = ast.literal_eval(done.stdout)
    assert figures["exact"] == 0.0
    assert figures["f1"] == pytest.approx(200 / 3)  # one of two words, and all of the gold answer


def test_the_page_has_five_examples():
    assert len(EXAMPLES) == 5
