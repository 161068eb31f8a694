import json
from dataclasses import replace

import pytest
import torch

from squadron.answers.answering import Answering
from squadron.answers.calibration import Calibration
from squadron.artifacts import ANSWERING, write_json
from squadron.config import Contender, Predict, Train, Windows
from squadron.errors import InputError
from squadron.models import backbones, model_folder
from squadron.models.model_folder import load_model, read_about, write_disqualified, write_model
from squadron.models.training import Training
from squadron.models.training_summary import TrainingSummary
from squadron.models.variants import span
from tests import tiny_models

CONTENDER = Contender(
    "span",
    label="span-tiny",
    options={"attention_dropout": 0.125},
    windows=Windows(max_length=64, stride=16, max_question_length=16),
    train=Train(learning_rate=1e-3),
    predict=Predict(n_best=3),
)
TRAINING = TrainingSummary(best_exact_match=61.5, log=({"step": 1.0, "train_loss": 2.5},))

NOT_TRAINED = TrainingSummary(
    parameters=9e3, trainable_parameters=9e3, peak_memory_mb=900.0, seconds_train=5.0
)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """(a model, its tokenizer)."""
    backbone = tiny_models.write_backbone(tmp_path_factory.mktemp("tiny") / "backbone")
    return span.build(backbone, span.Options()), backbones.load_tokenizer(backbone)


@pytest.fixture
def folder(parts, tmp_path):
    """A model folder to look at and to break."""
    place = tmp_path / "deep" / "model"
    write_model(place, *parts, CONTENDER, made_from="abc", training=TRAINING)
    return place


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_model_comes_back_with_its_weights_tokenizer_and_settings(folder, parts):
    loaded = load_model(folder)

    assert loaded.contender == CONTENDER
    assert loaded.answering is None
    assert loaded.about == read_about(folder)
    assert loaded.about.contender == CONTENDER
    assert loaded.about.training == TRAINING
    assert loaded.about.made_from == "abc"
    assert loaded.about.disqualified == ""
    weights = dict(parts[0].named_parameters())
    assert weights.keys() == dict(loaded.model.named_parameters()).keys()
    for name, parameter in loaded.model.named_parameters():
        assert torch.equal(parameter, weights[name]), name
    assert loaded.model.network.config.attention_probs_dropout_prob == 0.125
    ours, theirs = (backbones.bare_tokenizer(t) for t in (parts[1], loaded.tokenizer))
    question, context, _ = tiny_models.EIGHT_QUESTIONS[4]
    assert ours.encode(question, context).ids == theirs.encode(question, context).ids
    assert loaded.tokenizer.pad_token_id == parts[1].pad_token_id


def test_a_model_folder_holds_no_code_and_no_pickles(folder):
    assert {name.rpartition(".")[2] for name in files(folder)} <= {"json", "safetensors", "txt"}
    # A pickle begins with 0x80; a zip may hold pickles.
    for name in files(folder):
        assert (folder / name).read_bytes()[:1] not in (b"\x80", b"P"), name
    assert {"config.json", "model.safetensors", "tokenizer.json", "variant.json"} <= set(
        files(folder)
    )


def test_every_file_of_a_model_is_listed_with_its_digest(folder):
    about = read_about(folder)
    assert sorted(about.files) == [name for name in files(folder) if name != "variant.json"]
    assert all(len(digest) == 64 for digest in about.files.values())
    assert json.loads((folder / "variant.json").read_text())["schema"] == "model/1"


def test_a_shared_context_is_a_file_of_the_model_like_any_other(parts, folder, tmp_path):
    assert model_folder.read_context(folder) == ""
    context = "First answer, with é.\r\n second\nthird\n"
    for place in (tmp_path / "one", tmp_path / "two"):
        write_model(place, *parts, CONTENDER, made_from="abc", context=context)
        assert model_folder.read_context(place) == context
        assert (place / "context.txt").read_bytes() == context.encode()
    assert read_about(tmp_path / "one") == read_about(tmp_path / "two")
    assert "context.txt" in read_about(place).files
    (place / "context.txt").unlink()
    with pytest.raises(InputError, match=r"context\.txt is missing or altered"):
        load_model(place)


def test_an_altered_file_is_refused_whichever_it_is(folder):
    for name in read_about(folder).files:
        path = folder / name
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(InputError) as caught:
            load_model(folder)
        assert str(caught.value) == (
            f"The model file {path} is missing or altered; fetch the model again"
        )
        path.write_bytes(content)
    assert load_model(folder)


def test_a_missing_file_is_refused_whichever_it_is(folder):
    for name in read_about(folder).files:
        moved = (folder / name).rename(folder.parent / "moved")
        with pytest.raises(InputError, match=rf"{name} is missing or altered"):
            load_model(folder)
        moved.rename(folder / name)
    assert load_model(folder)


def test_a_disqualified_contender_has_a_reason_and_no_model(tmp_path):
    write_disqualified(
        tmp_path / "model", CONTENDER, "the loss became nan", made_from="abc", training=TRAINING
    )
    assert files(tmp_path / "model") == ["variant.json"]
    assert read_about(tmp_path / "model").training == TRAINING
    with pytest.raises(InputError) as caught:
        load_model(tmp_path / "model")
    assert str(caught.value) == (
        f"The model in {tmp_path / 'model'} was disqualified: the loss became nan"
    )


def test_what_is_no_model_folder_is_refused(folder, tmp_path):
    with pytest.raises(InputError, match=r"variant\.json does not exist"):
        load_model(tmp_path)
    about = json.loads((folder / "variant.json").read_text())
    (folder / "variant.json").write_text(json.dumps({**about, "schema": "model/99"}))
    with pytest.raises(InputError, match=r"has schema 'model/99', 'model/1' is needed"):
        load_model(folder)


def test_a_model_of_an_unknown_variant_or_setting_is_refused(folder):
    about = json.loads((folder / "variant.json").read_text())
    for change, message in (
        ({"variant": "sapn"}, "'sapn' is not a variant; did you mean 'span'"),
        ({"options": {"rank": 3}}, "options -> rank is not a setting"),
        ({"colour": "red"}, "colour is not a setting"),
    ):
        contender = {**about["contender"], **change}
        (folder / "variant.json").write_text(json.dumps({**about, "contender": contender}))
        with pytest.raises(InputError, match=message):
            load_model(folder)


def test_a_model_of_an_earlier_version_is_read_although_its_training_has_more_fields(folder):
    """Earlier versions wrote the whole state of the training, and the figures of the step twice."""
    path, today = folder / "variant.json", read_about(folder)
    points = [{"step": 1, "epoch": 0.5, "train_loss": 2.5}, {"step": 2, "tune_exact_match": 61.5}]
    run = Training(2, 1, 0, 3.5, 8, [61.5, 70.0, 55.0], 61.5, 1, points)
    speed = {"examples_per_second": 2.5, "best_epoch": 1}
    sizes = {"parameters": 9e3, "trainable_parameters": 9e3}
    rest = {"peak_memory_mb": 900.0, "seconds_train": 5.0}
    expected = TrainingSummary(
        epoch=1,
        best_epoch=1,
        best_exact_match=61.5,
        seconds=3.5,
        seconds_train=5.0,
        windows_seen=8,
        examples_per_second=2.5,
        parameters=9e3,
        trainable_parameters=9e3,
        peak_memory_mb=900.0,
        log=tuple(points),
    )
    about = json.loads(path.read_text())
    for state, figures, summary in (
        (vars(run), {**speed, **sizes, **rest}, expected),
        ({}, {**sizes, **rest}, NOT_TRAINED),  # a contender that does not train, or diverged
        ({}, {}, TrainingSummary()),
    ):
        training = {**state, **figures, "figures": figures}
        path.write_text(json.dumps({**about, "training": training}))
        assert load_model(folder).about == replace(today, training=summary)


def test_a_damaged_description_is_refused_with_its_place(folder):
    path = folder / "variant.json"
    about = json.loads(path.read_text())
    for change, message in (
        ({"files": []}, "files: [] is a list; a mapping is needed"),
        ({"training": 3}, "training: 3 is not allowed; a mapping is needed"),
        (
            {"training": {"seconds": "a", "step": 3}},
            "training -> seconds: 'a' is text; a number is needed",
        ),
    ):
        path.write_text(json.dumps({**about, **change}))
        with pytest.raises(InputError) as caught:
            load_model(folder)
        assert str(caught.value) == f"The file {path} is damaged: {message}"
    for name in ("contender", "training"):
        path.write_text(json.dumps({key: about[key] for key in about if key != name}))
        with pytest.raises(InputError, match=f"damaged: {name} is missing; it has no default$"):
            load_model(folder)


def test_how_it_answers_comes_from_registration(folder):
    for answering in (
        Answering(1.25),
        Answering(None, "lowest_null", Calibration("platt", slope=0.5, intercept=-1.0)),
    ):
        model_folder.write_answering(folder, answering, made_from="abc")
        assert load_model(folder).answering == answering


def test_one_registered_long_ago_answers_as_it_did_then(folder):
    for fields in ({"null_threshold": 1.25}, {"null_threshold": None, "answer_rule": "window"}):
        path = folder / ANSWERING
        write_json(path, fields, schema="answering/1", made_from="abc")
        assert load_model(folder).answering == Answering(fields["null_threshold"], "window", None)


def test_a_write_that_fails_leaves_nothing_that_passes_for_a_model(parts, tmp_path, monkeypatch):
    model, tokenizer = parts

    def fail(folder):
        (folder / "config.json").write_text("{}")
        raise OSError("disk full")

    monkeypatch.setattr(model, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        write_model(tmp_path, model, tokenizer, CONTENDER, made_from="abc")
    with pytest.raises(InputError, match=r"variant\.json does not exist"):
        load_model(tmp_path)
