"""Linear layers whose weights are laid out for prediction: same scores, and no effect elsewhere."""

import pytest
import torch

from squadron.config import Contender
from squadron.models import backbones, variants
from squadron.models.packed_layers import PackedLinear, pack_linear_layers
from squadron.models.prediction import make_ready, predict_candidates
from squadron.reader import Reader
from tests import tiny_models

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return tiny_models.write_backbone(tmp_path_factory.mktemp("backbone") / "tiny")


def build(name, backbone):
    torch.manual_seed(0)
    variant = variants.load_variant(name)
    return variant.build(backbone, variant.Options())


@pytest.mark.parametrize("name", ["span", "crf", "reasoning", "prompt_tuning", "pretrained"])
def test_a_packed_model_finds_the_same_spans_with_the_same_scores(backbone, name):
    examples = tiny_models.make_examples(tiny_models.EIGHT_QUESTIONS)
    windows, layout = tiny_models.cut_windows(backbone, examples)
    settings = tiny_models.FP32
    plain = list(predict_candidates(build(name, backbone), windows, layout, settings, CPU))
    model = make_ready(build(name, backbone), CPU)
    assert any(isinstance(layer, PackedLinear) for layer in model.modules())
    packed = list(predict_candidates(model, windows, layout, settings, CPU))
    for one, other in zip(plain, packed, strict=True):
        for column in ("example_id", "window", "rank", "start_char", "end_char"):
            assert one[column].equals(other[column])
        for column in ("score", "null_score"):
            assert one[column].to_pylist() == pytest.approx(other[column].to_pylist(), abs=2e-5)


def test_a_reader_predicts_with_packed_layers(backbone):
    contender = Contender("span", backbone=backbone)
    reader = Reader(build("span", backbone), backbones.load_tokenizer(backbone), contender, None)
    packed = [layer for layer in reader._model.modules() if isinstance(layer, PackedLinear)]
    assert len(packed) >= 6


def test_heads_and_other_kinds_of_linear_layers_stay_as_they_are(backbone):
    class Doubled(torch.nn.Linear):
        def forward(self, x):
            return 2 * super().forward(x)

    model = build("span", backbone)
    head = type(model.network.qa_outputs)
    model.other = Doubled(3, 3)
    pack_linear_layers(model)
    assert type(model.network.qa_outputs) is head
    assert type(model.other) is Doubled


@pytest.mark.parametrize("bias", [True, False])
def test_where_gradients_are_needed_it_is_a_plain_layer(bias):
    plain = torch.nn.Linear(24, 16, bias=bias)
    packed = torch.nn.Linear(24, 16, bias=bias)
    packed.load_state_dict(plain.state_dict())
    pack_linear_layers(torch.nn.Sequential(packed))
    x = torch.randn(2, 5, 24)
    results = [layer(x) for layer in (plain, packed)]
    for result in results:
        result.square().sum().backward()
    assert torch.equal(*results)
    assert torch.equal(plain.weight.grad, packed.weight.grad)
    with torch.inference_mode():
        assert torch.allclose(plain(x), packed(x), atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 24), (7, 24), (2, 5, 24), (0, 24)])
def test_any_number_of_rows_is_allowed(shape):
    layer = torch.nn.Linear(24, 16)
    x = torch.randn(shape)
    with torch.inference_mode():
        expected = layer(x)
        pack_linear_layers(torch.nn.Sequential(layer))
        assert type(layer) is PackedLinear
        assert layer(x).shape == expected.shape
        assert torch.allclose(layer(x), expected, atol=1e-6)


def test_bf16_is_computed_as_without_packing():
    layer = torch.nn.Linear(24, 16)
    x = torch.randn(4, 24)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        expected = layer(x)
        pack_linear_layers(torch.nn.Sequential(layer))
        assert torch.equal(layer(x), expected)
        assert layer(x).dtype == torch.bfloat16


def test_the_weights_that_are_saved_stay_the_same(backbone):
    model = build("span", backbone)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    make_ready(model, CPU)
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_what_is_no_module_is_left_alone():
    class Scorer:
        def to(self, device):
            return self

    scorer = Scorer()
    assert make_ready(scorer, CPU) is scorer
