"""LoRA and prompt tuning: what they add, what they leave alone, and what they save."""

import dataclasses
import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from squadron.config import Contender, Train, Windows
from squadron.errors import InputError
from squadron.models import minilm, model_folder, variants
from squadron.models.backbones import load_tokenizer
from squadron.models.batches import Batch, WindowSet
from squadron.models.optimizer import trained_parameters
from squadron.models.training import train_model
from squadron.models.variants import lora, prompt_tuning, span
from squadron.reader import Reader
from tests import tiny_models

SHALLOW = prompt_tuning.Options(virtual_tokens=7)
DEEP = prompt_tuning.Options(virtual_tokens=7, deep=True)
KINDS = {"lora": (lora, lora.Options()), "shallow": (prompt_tuning, SHALLOW),
         "deep": (prompt_tuning, DEEP)}  # fmt: skip
# The layers to which LoRA adds by default, for each kind of encoder.
TARGETS = {
    "bert": ("query", "value"),
    "roberta": ("query", "value"),
    "xlm-roberta": ("query", "value"),
    "camembert": ("query", "value"),
    "electra": ("query", "value"),
    "albert": ("query", "value"),
    "distilbert": ("q_lin", "v_lin"),
    "mpnet": ("q", "v"),
    "deberta": ("in_proj",),
    "deberta-v2": ("query_proj", "value_proj"),
    "modernbert": ("Wqkv",),
}
TAKE_PREFIXES = {"bert", "roberta", "xlm-roberta", "camembert", "electra"}


def write_network(folder, model_type):
    """A random tiny question-answering network of a type, in a folder."""
    from transformers import AutoConfig, AutoModelForQuestionAnswering

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
             "intermediate_size": 64}  # fmt: skip
    if model_type == "distilbert":
        sizes = {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64}
    if model_type in ("albert", "electra"):
        sizes["embedding_size"] = 16
    if model_type == "modernbert":
        sizes |= {"cls_token_id": 0, "sep_token_id": 2}
    config = AutoConfig.for_model(
        model_type, vocab_size=60, max_position_embeddings=48, initializer_range=0.3,
        pad_token_id=1, bos_token_id=0, eos_token_id=2, **sizes,
    )  # fmt: skip
    torch.manual_seed(0)
    AutoModelForQuestionAnswering.from_config(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module", params=TARGETS)
def network(request, tmp_path_factory):
    """(model type, folder, a batch of two windows, one of them padded)."""
    folder = write_network(tmp_path_factory.mktemp("network"), request.param)
    random = torch.Generator().manual_seed(1)
    ids = torch.randint(3, 60, (2, 32), generator=random)
    mask = torch.ones_like(ids)
    ids[1, 20:], mask[1, 20:] = 1, 0
    types = torch.zeros_like(ids)
    if request.param in ("bert", "electra", "albert"):
        types[:, 8:] = mask[:, 8:]
    edges = [torch.tensor(pair) for pair in ((8, 8), (30, 18), (9, 10), (12, 10), (0, 1))]
    return SimpleNamespace(
        model_type=request.param, folder=folder, batch=Batch(ids, mask, types, *edges)
    )


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The tiny BERT, and the windows of its eight questions."""
    backbone = tiny_models.write_backbone(tmp_path_factory.mktemp("tiny") / "backbone")
    examples = tiny_models.make_examples(tiny_models.EIGHT_QUESTIONS)
    windows, layout = tiny_models.cut_windows(backbone, examples)
    return SimpleNamespace(backbone=backbone, examples=examples, windows=windows, layout=layout)


@pytest.fixture(params=KINDS)
def kind(request):
    """(variant, options) of each kind of adapter."""
    return KINDS[request.param]


def score(model, batch):
    with torch.inference_mode():
        return torch.stack(model.eval()._score(batch))


def assert_same_logits(ours, theirs, batch):
    """Equal at every real token."""
    real = batch.attention_mask_BT.bool()
    assert ours.shape == theirs.shape
    assert torch.allclose(ours[:, real], theirs[:, real], atol=1e-4)


# LoRA


def test_lora_adds_to_query_and_value_of_every_kind_of_encoder(network):
    model = lora.build(network.folder, lora.Options(rank=2))
    changed = {name.split(".lora_")[0] for name in trained_parameters(model) if ".lora_" in name}
    assert {name.rpartition(".")[2] for name in changed} == set(TARGETS[network.model_type])
    layers = 1 if network.model_type == "albert" else 2  # albert's layers are one
    assert len(changed) == layers * len(TARGETS[network.model_type])
    others = [name for name in trained_parameters(model) if ".lora_" not in name]
    assert others
    assert all(".modules_to_save." in name for name in others)


def test_lora_changes_nothing_at_first_and_something_later(network):
    plain = score(span.build(network.folder, span.Options()), network.batch)
    model = lora.build(network.folder, lora.Options(rank=2))
    assert_same_logits(score(model, network.batch), plain, network.batch)
    with torch.no_grad():
        for name, parameter in trained_parameters(model).items():
            if ".lora_B." in name:
                parameter.fill_(0.5)
    assert not torch.allclose(score(model, network.batch), plain, atol=1e-2)


def test_the_additions_are_of_the_rank_and_scale_that_were_asked_for(tiny):
    model = lora.build(tiny.backbone, lora.Options(rank=3, alpha=12, dropout=0.25))
    layer = model.network.get_submodule(
        "base_model.model.bert.encoder.layer.0.attention.self.query"
    )
    assert layer.lora_A["default"].weight.shape == (3, 32)
    assert layer.scaling["default"] == 4.0
    assert layer.lora_dropout["default"].p == 0.25
    x = torch.randn(2, 32)
    down, up = layer.lora_A["default"].weight, torch.nn.init.normal_(layer.lora_B["default"].weight)
    expected = layer.base_layer(x) + 4.0 * x @ down.T @ up.T
    assert torch.allclose(layer.eval()(x), expected, atol=1e-4)


@pytest.mark.parametrize("targets", [("key",), ("self.query", "intermediate.dense")])
def test_other_targets_can_be_named(tiny, targets):
    names = trained_parameters(lora.build(tiny.backbone, lora.Options(targets=targets)))
    changed = {name.split(".lora_")[0] for name in names if ".lora_" in name}
    assert len(changed) == 2 * len(targets)
    assert all(name.endswith(targets) for name in changed)


@pytest.mark.parametrize("target", ["q_lin", "uery", "qa_outputs", "encoder"])
def test_a_target_that_does_not_exist_is_refused_with_those_that_do(tiny, target):
    with pytest.raises(InputError) as caught:
        lora.build(tiny.backbone, lora.Options(targets=("query", target)))
    assert str(caught.value) == (
        f"targets: {target!r} is no linear layer of {tiny.backbone!r}; "
        "it has: dense, key, query, value"
    )


@pytest.mark.parametrize(
    ("variant", "options", "message"),
    [
        ("lora", {"rank": 0}, "rank: 0 is not allowed; 1 or more"),
        ("lora", {"alpha": 0}, "alpha: 0 is not allowed; above 0"),
        ("lora", {"dropout": 1}, "dropout: 1.0 is not allowed; 0 to below 1"),
        ("lora", {"attention_dropout": -1}, "attention_dropout: -1.0 is not allowed; 0 to below 1"),
        ("prompt_tuning", {"virtual_tokens": 0}, "virtual_tokens: 0 is not allowed; 1 or more"),
    ],
)
def test_a_wrong_option_is_refused(variant, options, message):
    with pytest.raises(InputError) as caught:
        variants.check_contender(Contender(variant, options=options), "contenders -> 1")
    assert str(caught.value) == f"contenders -> 1 -> options -> {message}"


# Prompt tuning


def hide_prompt(model):
    """Masks the virtual tokens, so that no token attends to them."""
    count = model.network.active_peft_config.num_virtual_tokens

    def mask(module, args, kwargs):
        kwargs["attention_mask"] = kwargs["attention_mask"].clone()
        lowest = torch.finfo(torch.float32).min if kwargs["attention_mask"].ndim == 4 else 0
        kwargs["attention_mask"][..., :count] = lowest
        return args, kwargs

    return model.network.get_base_model().register_forward_pre_hook(mask, with_kwargs=True)


@pytest.mark.parametrize("options", [SHALLOW, DEEP], ids=["shallow", "deep"])
def test_a_prompt_that_nobody_sees_leaves_every_tokens_logits_as_they_are(network, options):
    takes = network.model_type in TAKE_PREFIXES if options.deep else True
    if not takes or network.model_type == "modernbert":
        with pytest.raises(InputError, match=network.model_type):
            prompt_tuning.build(network.folder, options)
        return
    plain = score(span.build(network.folder, span.Options()), network.batch)
    model = prompt_tuning.build(network.folder, options)
    seen = score(model, network.batch)
    hook = hide_prompt(model)
    # Positions, token types and padding are then the same as for the backbone alone.
    assert_same_logits(score(model, network.batch), plain, network.batch)
    hook.remove()
    assert seen.shape == plain.shape
    assert not torch.allclose(seen, plain, atol=1e-2), "the prompt has no effect"


@pytest.mark.parametrize("options", [SHALLOW, DEEP], ids=["shallow", "deep"])
def test_a_window_may_be_as_long_as_without_a_prompt(tmp_path, options):
    folder = write_network(tmp_path, "bert")
    ids = torch.full((1, 48), 5)  # all positions that it has
    batch = Batch(ids, torch.ones_like(ids), ids * 0, *torch.tensor([[8], [40], [9], [9], [0]]))
    assert score(prompt_tuning.build(folder, options), batch).shape == (2, 1, 48)


def test_deep_prompts_score_alike_in_every_attention(tiny):
    batch = WindowSet(tiny.windows, tiny.layout).collate(range(8))
    model = prompt_tuning.build(tiny.backbone, DEEP)
    ours = score(model, batch)
    for name in ("sdpa", "eager"):
        model.network.get_base_model().set_attn_implementation(name)
        assert torch.allclose(score(model, batch), ours, atol=1e-4), name
    model.train()
    with torch.no_grad():
        assert torch.allclose(torch.stack(model._score(batch)), ours, atol=1e-4)


def test_every_layer_has_deep_prompts_of_its_own_and_the_first_words_of_shallow_ones(tiny):
    deep, shallow = (
        trained_parameters(prompt_tuning.build(tiny.backbone, o)) for o in (DEEP, SHALLOW)
    )
    name = "network.prompt_encoder.default.embedding.weight"
    assert deep[name].shape == (7, 2 * 2 * 32), "keys and values of two layers"
    words = span.build(tiny.backbone, span.Options()).network.get_input_embeddings().weight
    assert (shallow[name][:, None] == words[None]).all(-1).any(-1).all()


@pytest.mark.slow
def test_deep_prompts_learn_the_eight_questions(tiny, tmp_path):
    torch.manual_seed(0)
    model = prompt_tuning.build(tiny.backbone, DEEP)
    frozen = {name: p.clone() for name, p in model.named_parameters() if not p.requires_grad}
    settings = Train(epochs=100, learning_rate=3e-2, batch_size=4, patience=40, precision="fp32")
    run = train_model(
        model,
        WindowSet(tiny.windows, tiny.layout),
        settings,
        evaluate=tiny_models.make_judge(model, tiny.windows, tiny.layout, tiny.examples),
        checkpoints=tmp_path,
    )
    tiny_models.assert_learned(run)
    parameters = dict(model.named_parameters())
    assert all(torch.equal(parameters[name], before) for name, before in frozen.items())
    batch = WindowSet(tiny.windows, tiny.layout).collate(range(8))
    single = score(model, batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = score(model, batch).float()
    # bf16 has 8 bits, so each of a few dozen sums may be wrong by 1 / 256 of its terms.
    assert 0 < float((half - single).std()) < 0.15 * float(single.std())


# What is saved


def change_all(model):
    """As training would: no trained weight is as it was."""
    torch.manual_seed(3)
    with torch.no_grad():
        for parameter in trained_parameters(model).values():
            parameter.add_(torch.randn_like(parameter) * 0.1)


def test_an_adapter_is_small_and_holds_no_weight_of_the_backbone(kind, tiny, tmp_path):
    variant, options = kind
    model = variant.build(tiny.backbone, options)
    model.save(tmp_path)
    names = {"adapter_config.json", "adapter_model.safetensors", "backbone.json", "config.json"}
    assert {path.name for path in tmp_path.iterdir()} == names
    saved = load_file(tmp_path / "adapter_model.safetensors")
    sizes = [parameter.numel() for parameter in trained_parameters(model).values()]
    assert sorted(tensor.numel() for tensor in saved.values()) == sorted(sizes)
    for name in saved:
        assert any(part in name for part in ("lora_", "prompt_embeddings", "qa_outputs")), name
    total = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert total < 4 * sum(sizes) + 8_000


def test_a_loaded_adapter_scores_as_the_saved_one(kind, network, tmp_path):
    variant, options = kind
    try:
        model = variant.build(network.folder, options)
    except InputError:
        pytest.skip(f"{network.model_type} takes no such prompts; tested above")
    change_all(model)
    model.save(tmp_path)
    torch.manual_seed(99)
    loaded = variant.load(tmp_path, options)
    ours, theirs = trained_parameters(loaded), trained_parameters(model)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert torch.allclose(score(loaded, network.batch), score(model, network.batch), atol=1e-4)


def test_the_head_of_a_backbone_that_has_one_is_kept(kind, tiny):
    variant, options = kind
    head = span.build(tiny.backbone, span.Options()).network.qa_outputs.weight
    model = variant.build(tiny.backbone, options)
    kept = [
        p for name, p in trained_parameters(model).items() if "qa_outputs" in name and p.ndim == 2
    ]
    assert len(kept) == 1
    assert torch.equal(kept[0], head)


def test_an_adapter_that_keeps_its_backbone_loads_where_that_is_not(kind, tiny, tmp_path):
    variant, options = kind
    place = tmp_path / "model"
    backbone = tiny_models.write_backbone(tmp_path / "backbone", seed=1, head=False)
    model = variant.build(backbone, options)
    change_all(model)
    place.mkdir()
    model.save(place)
    variant.keep_backbone(place)
    shutil.rmtree(backbone)
    loaded = variant.load(place, options)
    ours, theirs = trained_parameters(loaded), trained_parameters(model)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    batch = WindowSet(tiny.windows, tiny.layout).collate([0, 1])
    if isinstance(model, lora.LoraModel):
        model.network.merge_adapter()
    assert torch.equal(score(loaded, batch), score(model, batch))
    # A second call changes nothing, and the copy must be whole.
    variant.keep_backbone(place)
    weights = place / "backbone" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\0")
    with pytest.raises(InputError) as caught:
        variant.load(place, options)
    sentence = f"The backbone in {place / 'backbone'} is missing or altered; fetch the model again"
    assert str(caught.value) == sentence


def test_a_backbone_that_a_package_brings_is_not_copied(kind, tmp_path):
    variant, options = kind
    variant.build(minilm.NAME, options).save(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    variant.keep_backbone(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_another_backbone_under_the_same_name_is_refused(kind, tmp_path):
    variant, options = kind
    backbone = tiny_models.write_backbone(tmp_path / "backbone", seed=1)
    (tmp_path / "model").mkdir()
    variant.build(backbone, options).save(tmp_path / "model")
    shutil.rmtree(backbone)
    tiny_models.write_backbone(tmp_path / "backbone", seed=2)
    with pytest.raises(InputError) as caught:
        variant.load(tmp_path / "model", options)
    assert str(caught.value).startswith(
        f"The adapter in {tmp_path / 'model'} was trained on another version of the backbone "
        f"{backbone!r} (fingerprint "
    )
    shutil.rmtree(backbone)
    tiny_models.write_backbone(tmp_path / "backbone", seed=1)
    assert variant.load(tmp_path / "model", options)


def test_weights_that_are_not_those_of_the_options_are_refused(kind, tiny, tmp_path):
    variant, options = kind
    variant.build(tiny.backbone, options).save(tmp_path)
    size = "rank" if variant is lora else "virtual_tokens"
    with pytest.raises(InputError, match="are not those of its options"):
        variant.load(tmp_path, dataclasses.replace(options, **{size: 5}))


def test_a_model_folder_with_an_adapter_answers_questions(kind, tiny, tmp_path):
    variant, options = kind
    name = variant.__name__.rpartition(".")[2]
    contender = Contender(
        name,
        backbone=tiny.backbone,
        options=dataclasses.asdict(options),
        windows=Windows(max_length=64, stride=16, max_question_length=16),
        predict=tiny_models.FP32,
    )
    model = variant.build(tiny.backbone, options)
    change_all(model)
    tokenizer = load_tokenizer(tiny.backbone)
    model_folder.write_model(tmp_path, model, tokenizer, contender, made_from="x")
    asked = [(question, context) for question, context, _ in tiny_models.EIGHT_QUESTIONS]
    readings = Reader.load(tmp_path).read(asked)
    assert [r.text for r in readings] == tiny_models.answer_all(
        model, tiny.windows, tiny.layout, tiny.examples
    )


def test_the_offline_backbone_is_named_and_not_where_it_lies(kind, tmp_path):
    variant, options = kind
    variant.build(minilm.NAME, options).save(tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == minilm.NAME
    texts = [path.read_text() for path in tmp_path.glob("*.json")]
    assert not any("site-packages" in text for text in texts)
    assert variant.load(tmp_path, options)
