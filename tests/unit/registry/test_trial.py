"""A model answers in a process where only its own requirements can be imported, or says why not."""

import subprocess
import sys
from pathlib import Path

import pytest

from squadron.answers.answering import Answering
from squadron.config import Contender, Windows
from squadron.models import backbones, model_folder, variants
from squadron.registry import lone_process, trial
from tests import tiny_models


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """The folder of a tiny CRF, whose variant needs a package of its own."""
    folder = tmp_path_factory.mktemp("trial")
    backbone = tiny_models.write_backbone(folder / "backbone")
    windows = Windows(max_length=64, stride=16, max_question_length=16)
    contender = Contender("crf", label="crf", backbone=backbone, windows=windows)
    variant = variants.load_variant("crf")
    built = variant.build(backbone, variant.Options())
    tokenizer = backbones.load_tokenizer(backbone)
    model_folder.write_model(folder / "model", built, tokenizer, contender, made_from="")
    return folder / "model"


def test_a_whole_model_answers_alone(model):
    assert trial.try_alone(model, Answering()) == ""


def test_a_requirement_that_is_not_stated_is_named(model, monkeypatch):
    # As if the model's requirements.txt had forgotten the tokenizer.
    save = trial.save_model

    def forget(place, *rest):
        save(place, *rest)
        file = place / "requirements.txt"
        kept = [line for line in file.read_text().splitlines() if line.startswith("mlflow")]
        file.write_text("\n".join(kept) + "\n")

    monkeypatch.setattr(trial, "save_model", forget)
    problem = trial.try_alone(model, Answering())
    assert problem.startswith("its process ended with: ModuleNotFoundError: No module named '")


def test_the_code_of_the_model_counts_and_not_the_installed_package(model, monkeypatch):
    save = trial.save_model

    def drop_code(place, *rest):
        save(place, *rest)
        (place / "code" / "squadron" / "reader.py").unlink()

    monkeypatch.setattr(trial, "save_model", drop_code)
    assert "squadron.reader" in trial.try_alone(model, Answering())


def test_damaged_weights_are_a_reason(model, monkeypatch):
    save = trial.save_model

    def damage(place, *rest):
        save(place, *rest)
        for file in place.rglob("*.safetensors"):
            file.write_bytes(b"x")

    monkeypatch.setattr(trial, "save_model", damage)
    assert "missing or altered" in trial.try_alone(model, Answering())


@pytest.mark.parametrize(
    ("done", "why"),
    [
        (subprocess.CompletedProcess([], 0, "", ""), "list index out of range"),
        (subprocess.CompletedProcess([], 0, "no json\n", ""), "Expecting value"),
        (subprocess.CompletedProcess([], 0, '[{"text": "a"}]\n', ""), "to a trial question"),
        (subprocess.CompletedProcess([], -9, "", ""), "exit code -9"),
        (subprocess.TimeoutExpired([], 600), "it did not answer in 600 seconds"),
    ],
    ids=["nothing", "no json", "no answer", "killed", "too slow"],
)
def test_whatever_a_process_does_is_a_reason_and_no_error(monkeypatch, done, why):
    def run(*arguments, **options):
        if isinstance(done, Exception):
            raise done
        return done

    monkeypatch.setattr(trial, "save_model", lambda *arguments: None)
    monkeypatch.setattr(subprocess, "run", run)
    assert why in trial.try_alone(Path("nowhere"), Answering())


def test_what_requirements_need_is_found_with_all_that_it_needs():
    found = lone_process.close_over(["Jinja2==3.0", "no-such-distribution"])
    assert found == {"jinja2", "markupsafe"}


def test_a_hidden_package_is_neither_found_nor_listed():
    code = (
        "import sys, importlib.util, importlib.metadata\n"
        f"sys.path.insert(0, {str(Path(lone_process.__file__).parent)!r})\n"
        "from lone_process import OnlyThese\n"
        "sys.meta_path[:] = [OnlyThese({'jinja2', 'markupsafe'}, list(sys.meta_path))]\n"
        "import jinja2, json\n"
        "assert importlib.util.find_spec('yaml') is None\n"
        "names = sorted(each.name.lower() for each in importlib.metadata.distributions())\n"
        "print(sorted(set(names)))\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
    assert done.stdout == "['jinja2', 'markupsafe']\n", done.stderr
