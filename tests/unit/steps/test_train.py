from pathlib import Path

import pytest

from squadron import steps
from squadron.config import Contender, Data, Predict, Splits, Train, Windows, to_json
from squadron.models import prediction
from tests.steps_by_hand import featurize

CORPUS = Path(__file__).resolve().parents[3] / "examples" / "corpus.json"
WINDOWS = Windows(max_length=128, stride=32, max_question_length=32)


@pytest.mark.slow
@pytest.mark.parametrize("monitor", ["exact_match", "eval_loss"])
def test_epochs_are_judged_in_the_precision_of_training(tmp_path, monkeypatch, monitor):
    data = Data(train=(str(CORPUS),), splits=Splits(2, 2, 2), max_train_examples=8)
    steps.ingest(data=to_json(data), examples=tmp_path / "examples")
    featurize(tmp_path, "scratch", WINDOWS)
    monkeypatch.setenv(steps.CHECKPOINTS_VARIABLE, str(tmp_path / "checkpoints"))
    asked = []

    def watch(name, place):
        original = getattr(prediction, name)

        def watched(*arguments):
            asked.append((name, arguments[place]))
            return original(*arguments)

        monkeypatch.setattr(prediction, name, watched)

    watch("predict_candidates", 3)
    watch("mean_loss", 2)
    contender = Contender(
        "span",
        backbone="scratch",
        windows=WINDOWS,
        train=Train(epochs=1, precision="bf16", monitor=monitor),
        predict=Predict(n_best=3, precision="fp32"),
    )
    steps.train(
        contender=to_json(contender),
        windows=tmp_path / "windows",
        examples=tmp_path / "examples",
        model=tmp_path / "model",
    )
    names = ["predict_candidates"] + ["mean_loss"] * (monitor == "eval_loss")
    assert [name for name, _ in asked] == names
    assert {settings.precision for _, settings in asked} == {"bf16"}
    assert {settings.n_best for _, settings in asked} == {1}
