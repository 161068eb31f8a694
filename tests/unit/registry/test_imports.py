"""What an import of the registry brings: most steps must not depend on the reader because of it."""

import subprocess
import sys

import pytest

from squadron.provenance import PACKAGE, reachable_files


@pytest.mark.parametrize("step", ["admit", "featurize", "train", "close_race"])
def test_a_step_that_finds_versions_does_not_depend_on_how_models_are_opened(step):
    files = {str(file.relative_to(PACKAGE)) for file in reachable_files([f"steps.{step}"])}
    assert "registry/versions.py" in files
    assert not {"registry/opening.py", "registry/registration.py", "reader.py"} & files


@pytest.mark.parametrize("package", ["registry", "tracking"])
def test_the_door_of_the_registry_and_of_tracking_is_light(package):
    code = f"import sys, squadron.{package}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "mlflow", "transformers", "pandas"} & set(done.stdout.split())
