import numpy as np
import pytest
import torch

from squadron.models.cpu_layers import ATTENTION, ByteDropout, register_attention, replace_dropout


@pytest.mark.parametrize("p", [0.1, 0.3, 0.5])
def test_byte_dropout_drops_the_promised_share_and_keeps_the_expected_value(p):
    torch.manual_seed(0)
    layer = ByteDropout(p)
    x = torch.full((1_000, 1_000), 3.0)

    y = layer(x)

    share = round(p * 256) / 256
    assert abs(share - p) <= 1 / 512
    # The tolerance is four standard errors of a million draws.
    error = 4 * (share * (1 - share) / 1e6) ** 0.5
    assert abs(float((y == 0).float().mean()) - share) < error
    assert torch.allclose(y[y != 0], torch.tensor(3.0 / (1 - share)))
    assert abs(float(y.mean()) - 3.0) < 3.0 * error / (1 - share)


@pytest.mark.parametrize("p", [0.997, 0.998, 0.999, 1 - 1e-9])
def test_byte_dropout_near_one_keeps_one_element_in_256_and_the_expected_value(p):
    torch.manual_seed(0)
    x = torch.full((1_000, 1_000), 3.0, requires_grad=True)
    y = ByteDropout(p)(x)
    y.sum().backward()
    assert abs(float((y != 0).float().mean()) - 1 / 256) < 4 * (1 / 256 / 1e6) ** 0.5
    assert torch.equal(y[y != 0].unique(), torch.tensor([3.0 * 256]))
    assert torch.equal(x.grad.unique(), torch.tensor([0.0, 256.0]))


def test_byte_dropout_of_one_drops_everything_as_torchs_own_does():
    x = torch.full((40, 50), 3.0, requires_grad=True)
    y = ByteDropout(1.0)(x)
    y.sum().backward()
    assert torch.equal(y, torch.nn.Dropout(1.0)(x))
    assert torch.equal(x.grad, torch.zeros(40, 50))


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_byte_dropout_refuses_what_is_no_probability(p):
    with pytest.raises(ValueError, match=f"p: {p} is not a probability; 0 to 1"):
        ByteDropout(p)


def test_byte_dropout_drops_each_element_on_its_own():
    torch.manual_seed(0)
    dropped = (ByteDropout(0.5)(torch.ones(512, 512)) == 0).float()
    for neighbour in (dropped.roll(1, 0), dropped.roll(1, 1)):
        correlation = np.corrcoef(dropped.flatten(), neighbour.flatten())[0, 1]
        assert abs(correlation) < 0.01


def test_byte_dropout_is_the_identity_in_evaluation_and_at_zero():
    x = torch.randn(5, 6)
    assert ByteDropout(0.5).eval()(x) is x
    assert ByteDropout(0.0)(x) is x


def test_byte_dropout_is_governed_by_the_seed_of_torch():
    layer, x = ByteDropout(0.5), torch.ones(50, 50)
    torch.manual_seed(1)
    first, second = layer(x), layer(x)
    torch.manual_seed(1)
    again = layer(x)
    torch.manual_seed(2)
    other = layer(x)
    assert torch.equal(first, again)
    assert not torch.equal(first, second)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_gradient_passes_where_the_value_passed(dtype):
    torch.manual_seed(0)
    x = torch.rand(40, 50, dtype=dtype).add(1).requires_grad_()
    y = ByteDropout(0.25)(x)
    assert y.dtype == dtype
    slope = torch.rand(40, 50, dtype=dtype).add(1)
    (y * slope).sum().backward()
    assert x.grad.dtype == dtype
    assert torch.equal(x.grad == 0, y == 0)
    kept = y != 0
    assert 0.6 < float(kept.float().mean()) < 0.9
    assert torch.allclose(x.grad[kept], slope[kept] / 0.75, rtol=1e-2)


def test_a_value_that_is_not_finite_is_not_hidden():
    # torch.nn.Dropout does not hide it either. The training then stops with a reason.
    values = torch.full((100,), torch.nan)
    assert ByteDropout(0.5)(values).isnan().all()
    assert torch.nn.Dropout(0.5)(values).isnan().all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_mean_stays_the_same_in_every_precision(dtype):
    torch.manual_seed(0)
    kept = ByteDropout(0.1)(torch.full((100,), 256.0, dtype=dtype))
    # 26 of 256 bytes drop; the others are scaled by 256 / 230, rounded once.
    assert set(kept.tolist()) == {0.0, float(torch.tensor(256 * 256 / 230).to(dtype))}


def test_every_dropout_of_a_model_is_replaced_with_its_own_rate():
    model = torch.nn.Sequential(
        torch.nn.Dropout(0.5),
        torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.25)),
        torch.nn.Dropout2d(0.5),
    )
    replace_dropout(model)
    layers = [layer for layer in model.modules() if isinstance(layer, ByteDropout)]
    assert [layer.p for layer in layers] == [0.5, 0.25]
    assert not [layer for layer in model.modules() if type(layer) is torch.nn.Dropout]
    assert isinstance(model[2], torch.nn.Dropout2d), "another kind of dropout"


def make_bert(attention):
    from transformers import BertConfig, BertForQuestionAnswering

    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=60,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=48,
        initializer_range=0.3,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    config._attn_implementation = attention
    return BertForQuestionAnswering(config)


@pytest.mark.parametrize("masked", [True, False])
def test_plain_attention_gives_the_logits_and_gradients_of_torchs_own(masked):
    plain, fused = make_bert(register_attention()), make_bert("sdpa")
    assert plain.config._attn_implementation == ATTENTION == "squadron_plain"
    assert all(
        torch.equal(a, b) for a, b in zip(plain.parameters(), fused.parameters(), strict=True)
    )
    ids = torch.randint(60, (3, 40))
    mask = torch.ones(3, 40, dtype=torch.int64)
    if masked:
        mask[1, 30:] = 0
        mask[2, 5:] = 0

    outputs = [model(input_ids=ids, attention_mask=mask) for model in (plain, fused)]

    real = mask.bool()
    for name in ("start_logits", "end_logits"):
        ours, theirs = (output[name][real] for output in outputs)
        assert ours.abs().max() > 0.1
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-4)
    for output in outputs:
        (output.start_logits[real].sum() + output.end_logits[real].square().sum()).backward()
    # Differences are compared with the largest gradient, because some gradients are only rounding
    # errors: the bias of a key does not change a softmax.
    scale = max(float(parameter.grad.abs().max()) for parameter in fused.parameters())
    for (name, ours), theirs in zip(plain.named_parameters(), fused.parameters(), strict=True):
        assert torch.allclose(ours.grad, theirs.grad, rtol=0, atol=1e-5 * scale), name


def test_plain_attention_does_not_look_at_masked_tokens():
    model = make_bert(register_attention())
    ids = torch.randint(60, (1, 20))
    mask = torch.ones(1, 20, dtype=torch.int64)
    mask[0, 12:] = 0
    others = ids.clone()
    others[0, 12:] = (others[0, 12:] + 1) % 60
    with torch.inference_mode():
        ours = model(input_ids=ids, attention_mask=mask).start_logits[:, :12]
        theirs = model(input_ids=others, attention_mask=mask).start_logits[:, :12]
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-5)


def test_plain_attention_has_dropout_in_training_alone():
    from squadron.models import cpu_layers

    torch.manual_seed(0)
    parts = torch.randn(3, 1, 2, 8, 4)
    module = torch.nn.Module()
    plain, _ = cpu_layers._attend(module.eval(), *parts, None, dropout=0.5)
    again, _ = cpu_layers._attend(module.eval(), *parts, None)
    dropped, _ = cpu_layers._attend(module.train(), *parts, None, dropout=0.5)
    assert plain.shape == (1, 8, 2, 4)
    assert torch.equal(plain, again)
    assert not torch.equal(plain, dropped)
