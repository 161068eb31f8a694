"""Checks that every experiment file loads and names only what exists. New files are found."""

from pathlib import Path

import pytest
import yaml

from squadron.config import from_json, load_experiment, to_json
from squadron.data.sources import list_sources
from squadron.models.variants import check_contender, list_variants

ROOT = Path(__file__).resolve().parents[2]
FOUND = sorted((ROOT / "experiments").rglob("*.y*ml"))
PROFILES = [
    (path, str(profile))
    for path in FOUND
    for profile in ["", *(yaml.safe_load(path.read_text(encoding="utf-8")).get("profiles") or {})]
]
EVERY_PROFILE = pytest.mark.parametrize(
    ("path", "profile"), PROFILES, ids=[f"{path.stem}-{name or 'plain'}" for path, name in PROFILES]
)


def test_experiments_are_found() -> None:
    assert len(FOUND) > 0
    assert ROOT / "experiments" / "example.yaml" in FOUND


@EVERY_PROFILE
def test_an_experiment_loads_under_its_files_name(path: Path, profile: str) -> None:
    experiment = load_experiment(path, profile=profile)
    assert path.suffix == ".yaml"
    assert experiment.name == path.stem
    assert from_json(type(experiment), to_json(experiment)) == experiment


@EVERY_PROFILE
def test_the_variants_of_an_experiment_exist_and_take_its_options(path: Path, profile: str) -> None:
    experiment = load_experiment(path, profile=profile)
    assert experiment.data.source in list_sources()
    for number, contender in enumerate(experiment.contenders, start=1):
        assert contender.variant in list_variants()
        check_contender(contender, f"contenders -> {number}")


@EVERY_PROFILE
def test_the_example_files_that_an_experiment_names_are_there(path: Path, profile: str) -> None:
    for name in load_experiment(path, profile=profile).data.files:
        if name.startswith("examples/"):
            assert (ROOT / name).is_file(), name


def test_the_example_experiment_needs_nothing_but_this_checkout() -> None:
    experiment = load_experiment(ROOT / "experiments" / "example.yaml")
    assert all(name.startswith("examples/") for name in experiment.data.files)
    backbones = {contender.backbone for contender in experiment.contenders}
    assert backbones == {"starter", "all-MiniLM-L6-v2", "scratch"}


def test_the_example_experiment_races_every_kind_of_contender() -> None:
    experiment = load_experiment(ROOT / "experiments" / "example.yaml")
    raced = {contender.variant for contender in experiment.contenders}
    # A further variant is one new file. It need not race here.
    assert raced == {
        *("span", "crf", "reasoning", "lora", "prompt_tuning", "pretrained", "champion")
    }
    assert raced <= set(list_variants())
    # The winner must pass the gate.
    assert not experiment.register.demo


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_every_experiment_runs_without_the_hub_on_a_cpu(path: Path) -> None:
    profile = "" if path.stem == "example" else "cpu"
    offline = {"starter", "all-MiniLM-L6-v2", "scratch"}
    assert {c.backbone for c in load_experiment(path, profile=profile).contenders} <= offline
