"""Heads compute in single precision under bf16 autocast: span, reasoning, CRF and adapters."""

import pytest
import torch

from squadron.models.batches import WindowSet
from squadron.models.prediction import best_spans
from squadron.models.variants import crf, lora, prompt_tuning, reasoning, span
from squadron.models.variants._networks import head_names
from tests import tiny_models

CONTENDERS = {
    "span": (span, span.Options()),
    "reasoning": (reasoning, reasoning.Options()),
    "lora": (lora, lora.Options()),
    "shallow prompts": (prompt_tuning, prompt_tuning.Options()),
    "deep prompts": (prompt_tuning, prompt_tuning.Options(deep=True)),
}


def bf16():
    return torch.autocast("cpu", dtype=torch.bfloat16)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return tiny_models.write_backbone(tmp_path_factory.mktemp("tiny") / "backbone")


@pytest.fixture(scope="module")
def batch(backbone):
    examples = tiny_models.make_examples(tiny_models.EIGHT_QUESTIONS)
    return WindowSet(*tiny_models.cut_windows(backbone, examples)).collate(range(8))


def find_head(model):
    """The span layer that runs: peft keeps the original beside the trained copy."""
    network = model.network
    base = network.get_base_model() if hasattr(network, "get_base_model") else network
    head = base.qa_outputs
    return head.modules_to_save["default"] if hasattr(head, "modules_to_save") else head


@pytest.mark.parametrize("name", CONTENDERS)
def test_span_logits_under_bf16_are_those_of_an_fp32_head_on_the_same_states(name, backbone, batch):
    variant, options = CONTENDERS[name]
    model = variant.build(backbone, options).eval()
    head, seen = find_head(model), []
    head.register_forward_hook(lambda module, given, output: seen.append((given[0], output)))

    with torch.no_grad(), bf16():
        start_BT, end_BT = model._score(batch)
        inner = model.network.get_input_embeddings()(batch.input_ids_BT)
        assert (inner @ inner.mT).dtype == torch.bfloat16, "the precision is not that of autocast"

    ((states, logits),) = seen
    assert {start_BT.dtype, end_BT.dtype, logits.dtype} == {torch.float32}
    expected = torch.nn.functional.linear(states.float(), head.weight, head.bias)
    assert torch.equal(logits, expected)
    width = batch.input_ids_BT.shape[1]
    assert torch.equal(start_BT, expected[:, -width:, 0])
    assert torch.equal(end_BT, expected[:, -width:, 1])


@pytest.mark.parametrize("name", CONTENDERS)
def test_spans_that_bf16_would_round_to_one_score_stay_apart(name, backbone, batch):
    variant, options = CONTENDERS[name]
    model = variant.build(backbone, options).eval()
    scores = []
    # A bias changes no difference of logits. In bf16, numbers near 200 are whole.
    for bias in (0.0, 200.0):
        with torch.no_grad():
            find_head(model).bias.fill_(bias)
        with torch.no_grad(), bf16():
            start_BT, end_BT = model._score(batch)
            spans = best_spans(start_BT, end_BT, batch, 20, 5)
        scores.append(spans.score_BK)
        real = spans.score_BK[torch.isfinite(spans.score_BK)]
        assert len(real.unique()) > 0.95 * len(real)
    real = torch.isfinite(scores[0])
    assert torch.allclose(scores[0][real], scores[1][real], rtol=0, atol=1e-3)


def test_the_classifier_of_types_and_the_emissions_of_the_crf_are_fp32_too(backbone, batch):
    joint = reasoning.build(backbone, reasoning.Options()).eval()
    seen = []
    for layer in (joint.pool, joint.classify):
        layer.register_forward_hook(
            lambda module, given, output: seen.append((module, given[0], output))
        )
    tags = crf.build(backbone, crf.Options()).eval()
    tags.emit.register_forward_hook(
        lambda module, given, output: seen.append((module, given[0], output))
    )
    with torch.no_grad(), bf16():
        assert joint.read(batch).reasoning_BC.dtype == torch.float32
        assert tags._score(batch).emissions_BTK.dtype == torch.float32
    assert len(seen) == 3
    for layer, states, output in seen:
        linear = torch.nn.functional.linear(states.float(), layer.weight, layer.bias)
        assert torch.equal(output, linear)


def test_a_head_in_fp32_is_saved_and_trained_under_its_own_names(backbone, batch):
    from transformers import AutoModelForQuestionAnswering

    model = span.build(backbone, span.Options())
    plain = AutoModelForQuestionAnswering.from_pretrained(backbone)
    assert model.network.state_dict().keys() == plain.state_dict().keys()
    assert head_names(model.network) == ["qa_outputs"]
    with bf16():
        model(batch).backward()
    assert model.network.qa_outputs.weight.grad.abs().sum() > 0
    assert {p.grad.dtype for p in model.parameters() if p.grad is not None} == {torch.float32}
