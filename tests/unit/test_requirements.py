"""What must be installed for a module, as its imports say."""

import importlib.metadata
import subprocess
import sys

import pytest

from squadron import requirements, variants

SOURCE = '''
"""A variant in a file of its own."""
import json
import os.path
from typing import TYPE_CHECKING
from squadron import answers, question_types
from squadron.variants import _networks
from . import span
from .crf import Options

if TYPE_CHECKING:
    import matplotlib
else:
    import yaml

def build(backbone, options):
    import sklearn.linear_model
    try:
        import nobody_has_this
    except ImportError:
        pass
'''


@pytest.fixture
def added(tmp_path, monkeypatch):
    """The name of a module with that source, which looks like a file of variants/."""
    (tmp_path / "added_for_imports.py").write_text(SOURCE)
    monkeypatch.setattr(variants, "__path__", [*variants.__path__, str(tmp_path)])
    return "squadron.variants.added_for_imports"


def test_packages_are_those_of_the_file_and_of_all_that_it_imports_of_this_package(added):
    found = requirements.find_packages(added)
    assert {"yaml", "sklearn", "nobody_has_this"} <= found, "in the file itself"
    assert {"torch", "transformers", "safetensors"} <= found, "in variants/_networks.py"
    assert "torchcrf" in found, "in a function of variants/crf.py"
    assert "numpy" in found, "in answers.py"
    assert "boto3" in found, "three files away, in storage/s3.py"
    assert not {"squadron", "json", "os", "typing"} & found
    assert "matplotlib" not in found, "for type checking alone"
    assert not {"mlflow", "accelerate", "kfp"} & found, "nothing on the way imports these"


def test_distributions_have_their_names_on_pypi(added):
    found = requirements.find_distributions(added)
    assert {"PyYAML", "scikit-learn", "pytorch-crf", "torch"} <= found
    # What is not installed here was not used either.
    assert not [name for name in found if "nobody" in name]


def test_of_several_distributions_with_one_package_the_one_of_its_name_counts():
    owners = importlib.metadata.packages_distributions()["mlflow"]
    assert len(owners) > 1
    assert "mlflow" in requirements.find_distributions("squadron.serving")
    assert not {"mlflow-skinny", "mlflow-tracing"} & requirements.find_distributions(
        "squadron.serving"
    )


def test_a_line_has_the_installed_version_without_the_name_of_its_build(monkeypatch):
    versions = {"b": "2.0", "a": "1.0+cpu"}
    monkeypatch.setattr(importlib.metadata, "version", versions.__getitem__)
    assert requirements.pin({"b", "a"}) == ["a==1.0", "b==2.0"]


def test_whatever_serving_really_imports_was_found():
    """The other way round: the packages that its modules name when they are imported."""
    code = """
import sys
before = set(sys.modules)
import squadron.serving, squadron.reader
from squadron import variants
for name in variants.list_variants():
    variants.load_variant(name)
own = [m for n, m in list(sys.modules.items()) if n.partition(".")[0] == "squadron"]
named = {getattr(v, "__module__", None) or getattr(v, "__name__", "") for m in own
         for v in vars(m).values() if v is not None}
print(*sorted({str(name).partition(".")[0] for name in named}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    known = requirements.find_packages("squadron.serving") | {"squadron", "builtins"}
    for name in variants.list_variants():
        known |= requirements.find_packages(f"squadron.variants.{name}")
    loaded = set(done.stdout.split()) - sys.stdlib_module_names
    assert {"torch", "mlflow", "numpy"} <= loaded
    assert {name for name in loaded if not name.startswith("_")} <= known
