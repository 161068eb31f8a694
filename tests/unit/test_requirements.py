"""What must be installed for a module, as its imports say."""

import importlib.metadata
import subprocess
import sys

import pytest

from squadron import requirements
from squadron.errors import InputError
from squadron.models import variants

FILES = {
    "__init__.py": "",
    "variants/__init__.py": "import colorama",
    "variants/ours.py": """
import json
import os.path
from typing import TYPE_CHECKING
from pack.variants import _networks
from pack import answers

if TYPE_CHECKING:
    import matplotlib

def build(backbone, options):
    import sklearn.linear_model
    from yaml.nodes import Node
""",
    "variants/_networks.py": "def load(): import torch, numpy as np",
    "variants/other.py": "import peft",
    "answers.py": "from pack.storage import fetch",
    "storage/__init__.py": "from pack.storage.s3 import fetch",
    "storage/s3.py": "def fetch(): from boto3.session import Session",
}


@pytest.fixture
def package(tmp_path):
    """A package whose variant imports in all the ways there are."""
    for name, text in FILES.items():
        place = tmp_path / "pack" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return tmp_path / "pack"


def test_packages_are_those_of_the_file_and_of_all_that_it_imports_of_its_package(package):
    found = requirements.find_packages("pack.variants.ours", package)
    own, beside, around, far = {"sklearn", "yaml"}, {"torch", "numpy"}, {"colorama"}, {"boto3"}
    assert found == own | beside | around | far


def test_distributions_have_their_names_on_pypi(monkeypatch):
    assert "pytorch-crf" in requirements.find_distributions("squadron.models.variants.crf")
    imported = {"yaml", "sklearn", "torchcrf", "nobody_has_this"}
    monkeypatch.setattr(requirements, "find_packages", lambda module: imported)
    # What is not installed here was not used either.
    assert requirements.find_distributions("x") == {"PyYAML", "scikit-learn", "pytorch-crf"}


def test_of_several_distributions_with_one_package_the_one_of_its_name_counts():
    owners = importlib.metadata.packages_distributions()["mlflow"]
    assert len(owners) > 1
    assert "mlflow" in requirements.find_distributions("squadron.serving.pyfunc")
    assert not {"mlflow-skinny", "mlflow-tracing"} & requirements.find_distributions(
        "squadron.serving.pyfunc"
    )


def test_a_part_of_mlflow_stands_for_the_whole(monkeypatch):
    monkeypatch.setattr(requirements, "_owners", lambda: {"mlflow": ["mlflow-skinny"]})
    monkeypatch.setattr(requirements, "find_packages", lambda module: {"mlflow"})
    assert requirements.find_distributions("x") == {"mlflow"}

    def version(name):
        if name != "mlflow-skinny":
            raise importlib.metadata.PackageNotFoundError(name)
        return "3.0"

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert requirements.pin({"mlflow"}) == ["mlflow==3.0"]


def test_a_line_has_the_installed_version_without_the_name_of_its_build(monkeypatch):
    versions = {"b": "2.0", "a": "1.0+cpu"}
    monkeypatch.setattr(importlib.metadata, "version", versions.__getitem__)
    assert requirements.pin({"b", "a"}) == ["a==1.0", "b==2.0"]


@pytest.mark.slow
def test_whatever_serving_really_imports_was_found():
    """The other way round: the packages that its modules name when they are imported."""
    code = """
import sys
before = set(sys.modules)
import squadron.serving.pyfunc, squadron.reader
from squadron.models import variants
for name in variants.list_variants():
    variants.load_variant(name)
own = [m for n, m in list(sys.modules.items()) if n.partition(".")[0] == "squadron"]
named = {getattr(v, "__module__", None) or getattr(v, "__name__", "") for m in own
         for v in vars(m).values() if v is not None}
print(*sorted({str(name).partition(".")[0] for name in named}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    known = requirements.find_packages("squadron.serving.pyfunc") | {"squadron", "builtins"}
    for name in variants.list_variants():
        known |= requirements.find_packages(f"squadron.models.variants.{name}")
    loaded = set(done.stdout.split()) - sys.stdlib_module_names
    assert {"torch", "mlflow", "numpy"} <= loaded
    assert {name for name in loaded if not name.startswith("_")} <= known


def test_a_missing_package_is_named_with_its_extra():
    with pytest.raises(InputError) as caught:
        requirements.require_packages(("json", "no_such_package"), "The server needs", "serving")
    assert str(caught.value) == (
        "The server needs the package no_such_package, which is not installed: make setup, or pip "
        "install 'squadron-qa[serving]'"
    )
    requirements.require_packages(requirements.SERVE, "The server needs", "serving")
