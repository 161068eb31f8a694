import pytest

from squadron.answers.answering import Answering
from squadron.answers.calibration import Calibration
from tests import served

CALIBRATION = Calibration("platt", 0.5, -0.5, (), 100, "")


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """The folder of a tiny model that gives probabilities and answers every question."""
    folder = tmp_path_factory.mktemp("served")
    return served.write_model(folder, answering=Answering(calibration=CALIBRATION))


@pytest.fixture
def serve(model):
    """Starts servers with settings; they are closed at the end of the test."""
    running = []

    def start(folder=model, **options):
        running.append(served.Served(served.make_service(folder, **options)))
        return running[-1]

    yield start
    for each in running:
        each.close()
