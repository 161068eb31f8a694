"""Tests the starter reader: an adapter merged into the offline backbone when it is loaded."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from squadron.answers.answering import Answering
from squadron.errors import InputError
from squadron.models import backbones, licences, minilm, model_folder, starter, trained_on
from squadron.models.batches import WindowSet
from squadron.models.trained_on import Record
from squadron.models.variants import crf, lora, prompt_tuning, reasoning, span
from tests import tiny_models

LINEAR = ("query", "key", "value", "dense")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A LoRA model of all linear layers with weights that matter, and its folder."""
    torch.manual_seed(3)
    model = lora.build(minilm.NAME, lora.Options(rank=4, alpha=12, dropout=0.0, targets=LINEAR))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name or "modules_to_save" in name:
                weight.normal_(std=0.05)
    folder = tmp_path_factory.mktemp("starter")
    model.save(folder)
    return model.eval(), folder


@pytest.fixture
def shipped(trained, monkeypatch):
    """The same model as the starter of the package."""
    monkeypatch.setattr(starter, "FOLDER", trained[1])
    return trained[0]


@pytest.fixture(scope="module")
def batch():
    examples = tiny_models.make_examples(tiny_models.EIGHT_QUESTIONS)
    windows = WindowSet(*tiny_models.cut_windows(minilm.NAME, examples))
    return windows.collate(range(len(windows)))


def scores(model, batch):
    with torch.inference_mode():
        return model.eval().top_spans(batch, 5, 30).score_BK


def test_the_merged_starter_scores_spans_as_the_adapter_on_its_backbone(shipped, batch):
    merged = span.build(starter.NAME, span.Options())
    torch.testing.assert_close(scores(merged, batch), scores(shipped, batch), rtol=1e-4, atol=1e-4)
    plain = span.build(minilm.NAME, span.Options())
    assert (scores(plain, batch) - scores(shipped, batch)).abs().max() > 0.1


@pytest.mark.parametrize(
    "build",
    [
        lambda: span.build(starter.NAME, span.Options()),
        lambda: reasoning.build(starter.NAME, reasoning.Options()),
        lambda: lora.build(starter.NAME, lora.Options()),
    ],
    ids=["span", "reasoning", "lora"],
)
def test_variants_with_the_span_layer_begin_with_what_the_starter_answers(shipped, batch, build):
    torch.testing.assert_close(scores(build(), batch), scores(shipped, batch), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("variant", [crf, prompt_tuning], ids=["crf", "prompt_tuning"])
def test_the_other_variants_begin_with_its_encoder(shipped, variant):
    def first_layer(model):
        return next(p for n, p in model.named_parameters() if n.endswith("query.weight"))

    expected = first_layer(span.build(starter.NAME, span.Options()))
    assert torch.equal(first_layer(variant.build(starter.NAME, variant.Options())), expected)
    plain = first_layer(variant.build(minilm.NAME, variant.Options()))
    assert not torch.equal(plain, expected)


def test_an_adapter_on_the_starter_is_saved_with_its_name_and_read_again(shipped, batch, tmp_path):
    model = lora.build(starter.NAME, lora.Options())
    model.save(tmp_path)
    assert json.loads((tmp_path / "backbone.json").read_text())["backbone"] == "starter"
    again = lora.load(tmp_path, lora.Options())
    torch.testing.assert_close(scores(again, batch), scores(model, batch))
    weights = load_file(starter.FOLDER / starter.WEIGHTS)
    other = tmp_path / "other"
    shutil.copytree(starter.FOLDER, other)
    save_file({name: tensor * 2 for name, tensor in weights.items()}, other / starter.WEIGHTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(starter, "FOLDER", other)
        with pytest.raises(InputError, match="another version of the backbone 'starter'"):
            lora.load(tmp_path, lora.Options())


def test_its_tokenizer_and_configuration_are_those_of_its_backbone(shipped):
    tokenizer = backbones.load_tokenizer(starter.NAME)
    assert tokenizer.get_vocab() == backbones.load_tokenizer(minilm.NAME).get_vocab()
    assert backbones.read_config(starter.NAME).hidden_size == 384


def test_it_has_a_head_a_licence_and_needs_the_package_of_its_backbone(shipped):
    assert backbones.has_answer_head(starter.NAME)
    assert licences.find_licence(starter.NAME).startswith("CC-BY-SA-4.0")
    assert backbones.find_requirements(starter.NAME) == {minilm.PACKAGE}
    assert backbones.is_shipped(starter.NAME)


def test_missing_files_are_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(starter, "FOLDER", tmp_path)
    with pytest.raises(
        InputError, match=r"The starter reader's files in .* can't be read: .*again"
    ):
        span.build(starter.NAME, span.Options())


def test_the_shipped_files_are_small_and_say_what_they_were_trained_on():
    weights = load_file(starter.FOLDER / starter.WEIGHTS)
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    assert (starter.FOLDER / starter.WEIGHTS).stat().st_size <= 3_000_000
    record = trained_on.read_record(starter.NAME)
    assert isinstance(record, Record)
    assert record.standing == "known"
    assert len(record.questions) > 18_000
    answering = model_folder.read_answering(starter.FOLDER)
    assert isinstance(answering, Answering)
    assert answering.null_threshold is not None
