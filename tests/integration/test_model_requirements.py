"""A registered model answers where nothing but its own requirements.txt is installed.

Every variant's model is registered in a real sqlite store. Then a process of a fresh environment,
which holds only what that model's requirements.txt asks for, loads it from the store with MLflow
and asks it something. tests/fresh_venv.py explains why that environment equals an installation.
"""

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import mlflow
import pytest

from squadron import registry, tracking
from squadron.answers.answering import Answering
from squadron.config import Contender, Windows
from squadron.models import backbones, minilm, model_folder, variants
from squadron.registry import registration
from tests import fresh_venv, tiny_models
from tests.stores import make_store

pytestmark = pytest.mark.slow

WINDOWS = Windows(max_length=64, stride=16, max_question_length=16)
CONTEXT = "Ada wrote the program in 1843, and a machine ran it long after that."
BUILT = {
    **{name: (name, "tiny") for name in variants.list_variants() if name != "champion"},
    "lora on the offline backbone": ("lora", minilm.NAME),
}
"""Label -> (variant, backbone). "tiny" is a folder that the test writes."""
CHAMPIONS = {
    f"champion of {label}": label for label in ("crf", "lora on the offline backbone", "lora")
}
"""Label -> label of the model that it was."""

ASK = """
import importlib.util, json, sys
assert importlib.util.find_spec("squadron") is None, "only the model may bring the package"
import mlflow
question = {"question": "Who wrote the program?", "context": sys.argv[1]}
found = {}
for uri in sys.argv[2:]:
    (found[uri],) = mlflow.pyfunc.load_model(uri).predict([question])
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Every model, untrained and registered: label -> version."""
    folder = tmp_path_factory.mktemp("store")
    tiny = tiny_models.write_backbone(folder / "backbone")
    uri = make_store(folder)
    versions: dict[str, registry.Registered] = {}
    places: dict[str, Path] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(tracking.URI_VARIABLE, uri)

        def add(label, name, backbone):
            place = places[label] = folder / f"model{len(places)}"
            contender = Contender(name, label=place.name, backbone=backbone, windows=WINDOWS)
            variant = variants.load_variant(name)
            model = variant.build(backbone, variant.Options())
            tokenizer = backbones.load_tokenizer(backbone)
            model_folder.write_model(place, model, tokenizer, contender, made_from="")
            race = tracking.Race("tiny", place.name)
            tracking.open_race(race, [contender.label], {}, "sha")
            run_id = tracking.find_child(race, contender.label)
            versions[label] = registration.register_model(
                place.name, run_id, place, Answering(), {}
            )

        for label, (name, backbone) in BUILT.items():
            add(label, name, tiny if backbone == "tiny" else backbone)
        for label, original in CHAMPIONS.items():
            add(label, "champion", str(places[original]))
        # A registered adapter keeps its backbone.
        shutil.rmtree(tiny)
        yield SimpleNamespace(uri=uri, versions=versions)


@pytest.fixture(scope="module")
def requirements(store):
    """The lines of each model's requirements.txt, as MLflow gives them out."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(tracking.URI_VARIABLE, store.uri)
        return {
            label: frozenset(
                fresh_venv.read_requirements(
                    Path(mlflow.pyfunc.get_model_dependencies(version.uri))
                )
            )
            for label, version in store.versions.items()
        }


def ask(store, requirements, labels, folder):
    """What a process of a fresh environment prints when it asks these models."""
    python = fresh_venv.make_venv(folder / "venv", fresh_venv.close_over(requirements))
    return fresh_venv.run_code(
        python,
        ASK,
        CONTEXT,
        *(store.versions[label].uri for label in labels),
        folder=folder,
        MLFLOW_TRACKING_URI=store.uri,
        HF_HUB_OFFLINE="1",
    )


def test_every_registered_model_answers_with_its_own_requirements(store, requirements, tmp_path):
    # Models with the same requirements share an environment and a process, to save their imports.
    groups: dict[frozenset[str], list[str]] = {}
    for label, lines in requirements.items():
        groups.setdefault(lines, []).append(label)
    answers = {}
    for number, (lines, labels) in enumerate(groups.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        done = ask(store, lines, labels, folder)
        assert done.returncode == 0, f"{labels}: {done.stderr}"
        answers |= json.loads(done.stdout.splitlines()[-1])
    assert len(answers) == len(BUILT) + len(CHAMPIONS)
    for answer in answers.values():
        assert answer["answered"] == bool(answer["text"])
        if answer["answered"]:
            assert CONTEXT[answer["start_char"] : answer["end_char"]] == answer["text"]


def test_without_one_of_its_requirements_a_model_does_not_load(store, requirements, tmp_path):
    lines = {line for line in requirements["crf"] if not line.startswith("pytorch-crf")}
    assert len(lines) == len(requirements["crf"]) - 1
    done = ask(store, lines, ["crf"], tmp_path)
    assert done.returncode != 0
    assert "No module named 'torchcrf'" in done.stderr
