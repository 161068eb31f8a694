"""ONNX files give the answers of torch, and a model folder says in which format it is served."""

import json

import numpy as np
import pytest
import torch

from squadron.answers.answering import Answering
from squadron.config import Contender, Predict, Windows
from squadron.errors import InputError
from squadron.models import backbones, model_folder, onnx_graphs, serving_formats, variants
from squadron.models.batches import Batch
from squadron.models.onnx_scorer import OnnxScorer
from squadron.models.variants import champion
from squadron.reader import Reader
from tests import tiny_models

SETTINGS = {
    "windows": Windows(max_length=64, stride=16, max_question_length=16),
    "predict": Predict(n_best=5, max_answer_tokens=8, precision="fp32"),
}
PAIRS = [(question, context) for question, context, _ in tiny_models.EIGHT_QUESTIONS]


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return tiny_models.write_backbone(tmp_path_factory.mktemp("tiny") / "backbone")


def write_model(folder, variant, backbone):
    contender = Contender(variant, label=variant, backbone=str(backbone), **SETTINGS)
    torch.manual_seed(3)
    model = variants.load_variant(variant).build(
        contender.backbone, variants.read_options(contender)
    )
    for parameter in model.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.3)
    tokenizer = backbones.load_tokenizer(contender.backbone)
    model_folder.write_model(folder, model, tokenizer, contender, made_from="abc")
    return folder


@pytest.fixture(scope="module")
def folder(backbone, tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("span") / "model", "span", backbone)


@pytest.fixture(scope="module")
def converted(folder, tmp_path_factory):
    """Format -> model folder."""
    place = tmp_path_factory.mktemp("converted")
    return {
        name: serving_formats.convert(folder, place / name, name) for name in ("onnx", "onnx-int8")
    }


def draw_batch(size, length):
    """A batch of random windows, of which all but the first have padding."""
    random = np.random.default_rng(size * length)
    ids = torch.from_numpy(random.integers(5, 30, (size, length)))
    mask = torch.ones(size, length, dtype=torch.int64)
    mask[1:, -2:] = 0
    types = (torch.arange(length) >= length // 3).long().expand(size, length) * mask
    place = torch.full((size,), length // 3)
    none = torch.zeros(size, dtype=torch.int64)
    return Batch(ids, mask, types.contiguous(), place, place + length // 3, none, none, none)


@pytest.mark.parametrize(("size", "length"), [(1, 8), (1, 64), (3, 24), (5, 40)])
def test_an_onnx_file_gives_the_logits_of_torch_on_any_shape(folder, converted, size, length):
    batch = draw_batch(size, length)
    scorer = model_folder.load_model(converted["onnx"]).model
    with torch.inference_mode():
        expected = model_folder.load_model(folder).model._score(batch)

    assert isinstance(scorer, OnnxScorer)
    for found, wanted in zip(scorer.score(batch), expected, strict=True):
        real = batch.attention_mask_BT > 0
        assert torch.allclose(found[real], wanted[real], atol=1e-4)


def test_a_reader_answers_through_the_onnx_file(folder, converted):
    plain, onnx = (Reader.load(each).read(PAIRS) for each in (folder, converted["onnx"]))

    assert [each.text for each in onnx] == [each.text for each in plain]
    assert [each.score for each in onnx] == pytest.approx([e.score for e in plain], abs=1e-3)


def test_int8_logits_stay_near_those_of_fp32(folder, converted):
    batch = draw_batch(4, 40)
    with torch.inference_mode():
        expected = torch.stack(model_folder.load_model(folder).model._score(batch))
    found = torch.stack(model_folder.load_model(converted["onnx-int8"]).model.score(batch))

    real = (batch.attention_mask_BT > 0).expand_as(found)
    spread = expected[real].std()
    assert (found - expected)[real].abs().mean() < 0.1 * spread
    assert not torch.equal(found, expected)


@pytest.fixture(params=[1, 2])
def threads(request):
    """Lets torch use so many threads while a test runs."""
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_int8_logits_do_not_depend_on_other_windows_and_padding(converted, threads):
    scorer = model_folder.load_model(converted["onnx-int8"]).model
    batch = draw_batch(3, 40)
    together = torch.stack(scorer.score(batch))
    row = Batch(*(value[1:2] for value in vars(batch).values()))
    alone = torch.stack(scorer.score(row))

    assert torch.equal(together[:, 1], alone[:, 0])


def test_channels_with_outliers_cost_int8_little(folder, converted, tmp_path):
    """Without `onnx_int8`, the scale of the whole input follows the largest channel."""
    network = model_folder.load_model(folder).model.span_network()
    tokenizer = backbones.load_tokenizer(str(folder))
    with torch.no_grad():
        for layer in network.bert.encoder.layer:
            # One channel becomes 200 times as large, and its weights as much smaller.
            layer.attention.output.LayerNorm.weight[3] *= 200
            layer.attention.output.LayerNorm.bias[3] *= 200
            layer.intermediate.dense.weight[:, 3] /= 200
    batch = draw_batch(4, 40)
    onnx_graphs.write_fp32(network, tmp_path / "fp32.onnx")
    onnx_graphs.write_int8(network, tmp_path / "int8.onnx", tokenizer)
    expected, found = (
        torch.stack(OnnxScorer(tmp_path / name).score(batch)) for name in ("fp32.onnx", "int8.onnx")
    )

    real = (batch.attention_mask_BT > 0).expand_as(found)
    assert (found - expected)[real].abs().mean() < 0.1 * expected[real].std()


def test_the_files_are_listed_and_checked(converted):
    folder = converted["onnx-int8"]
    about = model_folder.read_about(folder)

    assert about.serving_format == "onnx-int8"
    assert "model.int8.onnx" in about.files
    assert "model.safetensors" in about.files
    whole = (folder / "model.int8.onnx").read_bytes()
    (folder / "model.int8.onnx").write_bytes(whole[:-1] + b"x")
    try:
        with pytest.raises(InputError, match="missing or altered"):
            Reader.load(folder)
    finally:
        (folder / "model.int8.onnx").write_bytes(whole)


def test_a_conversion_back_to_torch_removes_the_file(folder, converted, tmp_path):
    back = serving_formats.convert(converted["onnx"], tmp_path / "back", "torch")

    assert not (back / "model.onnx").exists()
    assert model_folder.read_about(back) == model_folder.read_about(folder)


def test_only_models_with_an_onnx_file_require_the_runtime(folder, converted):
    assert "onnxruntime" not in model_folder.find_requirements(folder)
    assert "onnxruntime" in model_folder.find_requirements(converted["onnx"])


def test_a_merged_adapter_needs_neither_peft_nor_its_backbone(backbone, tmp_path):
    lora = write_model(tmp_path / "lora", "lora", backbone)
    onnx = serving_formats.convert(lora, tmp_path / "onnx", "onnx")

    plain, found = (Reader.load(each).read(PAIRS) for each in (lora, onnx))
    assert [each.score for each in found] == pytest.approx([e.score for e in plain], abs=1e-3)
    assert "peft" in model_folder.find_requirements(lora)
    assert "peft" not in model_folder.find_requirements(onnx)
    # The weights of the backbone count, which are not in the files of the adapter.
    stored = sum(file.stat().st_size for file in lora.rglob("*.safetensors"))
    assert serving_formats.served_bytes(lora) > 2 * stored
    assert serving_formats.served_bytes(onnx) == (onnx / "model.onnx").stat().st_size


@pytest.mark.parametrize("variant", ["crf", "reasoning", "prompt_tuning"])
def test_a_variant_without_a_span_head_alone_is_refused(variant, backbone, tmp_path):
    folder = write_model(tmp_path / "model", variant, backbone)

    with pytest.raises(InputError, match=f"{variant!r} can't be served as onnx"):
        serving_formats.convert(folder, tmp_path / "onnx", "onnx")


def test_a_champion_races_in_the_format_in_which_it_serves(converted, tmp_path):
    model_folder.write_answering(converted["onnx"], Answering(), made_from="abc")
    found = champion.build(str(converted["onnx"]), champion.Options())
    found.save(tmp_path)

    assert isinstance(found.model, OnnxScorer)
    assert isinstance(champion.load(tmp_path, champion.Options()).model, OnnxScorer)
    assert "onnxruntime" in champion.find_requirements(tmp_path)


def test_a_damaged_onnx_file_is_one_sentence(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"no graph")

    with pytest.raises(InputError, match=r"can't be read by ONNX Runtime: .*convert it again"):
        OnnxScorer(tmp_path / "model.onnx")


def test_a_folder_of_an_earlier_version_is_served_by_torch(folder, tmp_path):
    content = json.loads((folder / "variant.json").read_text())
    del content["serving_format"]
    copy = serving_formats.convert(folder, tmp_path / "copy", "torch")
    (copy / "variant.json").write_text(json.dumps(content))

    assert model_folder.read_about(copy).serving_format == "torch"
