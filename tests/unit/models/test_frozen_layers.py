"""Layers that training leaves as they are: which they are, and who refuses how many."""

import json

import pytest
import torch
from transformers import AutoConfig, AutoModelForQuestionAnswering

from squadron import steps
from squadron.config import Train, load_experiment
from squadron.errors import InputError
from squadron.models import variants
from squadron.models.batches import WindowSet
from squadron.models.frozen_layers import freeze_layers
from squadron.models.optimizer import trained_parameters
from squadron.models.training import train_model
from tests import tiny_models

FULL = ("span", "crf", "reasoning")
LAYERS = 2
LORA = {"targets": ["query", "key", "value", "dense"], "dropout": 0.0}


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    place = tmp_path_factory.mktemp("backbone") / "tiny"
    return tiny_models.write_backbone(place, num_hidden_layers=LAYERS)


@pytest.fixture(scope="module")
def windows(backbone):
    examples = tiny_models.make_examples(tiny_models.EIGHT_QUESTIONS)
    return WindowSet(*tiny_models.cut_windows(backbone, examples))


def build(name, backbone, count, **options):
    torch.manual_seed(0)
    variant = variants.load_variant(name)
    model = variant.build(backbone, variant.Options(**options))
    freeze_layers(model, count, backbone)
    return model


def trained_layers(model):
    """The numbers of the layers with trained weights; -1 stands for the embeddings."""
    found = set()
    for name in trained_parameters(model):
        parts = name.split(".")
        if "embeddings" in parts:
            found.add(-1)
        elif "layer" in parts:
            found.add(int(parts[parts.index("layer") + 1]))
    return found


@pytest.mark.parametrize("name", FULL)
@pytest.mark.parametrize(("count", "layers"), [(0, {-1, 0, 1}), (1, {1}), (2, set())])
def test_only_the_layers_above_the_frozen_ones_and_the_head_are_trained(
    backbone, name, count, layers
):
    whole = trained_parameters(build(name, backbone, 0))
    model = build(name, backbone, count)
    assert trained_layers(model) == layers
    head = {each for each in whole if "layer" not in each and "embeddings" not in each}
    assert head
    assert head <= trained_parameters(model).keys()


def test_lora_adds_to_frozen_layers_nothing_that_is_trained(backbone):
    assert trained_layers(build("lora", backbone, 0, **LORA)) == {0, 1}
    assert trained_layers(build("lora", backbone, 1, **LORA)) == {1}


@pytest.mark.parametrize("deep", [False, True])
def test_prompts_are_trained_below_frozen_layers(backbone, deep):
    whole = trained_parameters(build("prompt_tuning", backbone, 0, deep=deep)).keys()
    assert trained_parameters(build("prompt_tuning", backbone, 2, deep=deep)).keys() == whole


@pytest.mark.parametrize(("name", "options"), [("span", {}), ("crf", {}), ("lora", LORA)])
def test_training_changes_all_layers_above_and_none_below(
    backbone, windows, tmp_path, name, options
):
    model = build(name, backbone, 1, **options)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    trained = trained_parameters(model).keys()
    settings = Train(epochs=1, batch_size=2, learning_rate=1e-2, precision="fp32")
    figures = {"exact_match": 0.0, "f1": 0.0}
    train_model(model, windows, settings, evaluate=lambda: figures, checkpoints=tmp_path)
    changed = {key for key, value in model.state_dict().items() if not value.equal(before[key])}
    assert changed <= trained
    # The keys' bias has no gradient, because softmax ignores what all scores share.
    assert {key for key in trained - changed if "key.bias" not in key} == set()


def write_plan(tmp_path, backbone, count, variant="span"):
    path = tmp_path / "own.yaml"
    experiment = {
        "data": {"train": "examples/corpus.json"},
        "train": {"frozen_layers": count},
        "windows": {"max_length": 64, "stride": 16, "max_question_length": 16},
        "contenders": [{"variant": variant, "backbone": backbone}],
    }
    path.write_text(json.dumps(experiment))
    from launch.plan import check_experiment

    check_experiment(load_experiment(path))


@pytest.mark.parametrize(
    ("name", "count", "reason"),
    [
        ("tiny", 3, "which has 2 layers; choose 2 or less"),
        ("scratch", 1, "whose weights are random; choose 0"),
    ],
)
def test_more_layers_than_there_are_and_random_ones_are_refused_in_the_plan(
    backbone, tmp_path, name, count, reason
):
    name = backbone if name == "tiny" else name
    with pytest.raises(InputError) as caught:
        write_plan(tmp_path, name, count)
    text = f"train -> frozen_layers: {count} is not allowed for the backbone {name!r}, {reason}"
    assert str(caught.value).endswith(text)
    write_plan(tmp_path, name, count, variant="pretrained")
    write_plan(tmp_path, name, 0)


def test_a_backbone_that_only_steps_can_fetch_is_refused_by_admit(backbone, tmp_path, capsys):
    data = {"train": "examples/corpus.json"}
    steps.ingest(data=json.dumps(data), examples=tmp_path / "examples")
    entry = {"label": "one", "backbone": backbone, "windows": {"max_length": 64}}
    entry |= {"trained_on": {}, "frozen_layers": 3}
    with pytest.raises(SystemExit) as stop:
        steps.admit(contenders=json.dumps([entry]), examples=tmp_path / "examples")
    assert stop.value.code == 2
    assert "frozen_layers: 3 is not allowed" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["albert", "bart"])
def test_an_architecture_without_a_single_stack_of_layers_is_refused(kind):
    sizes = {"hidden_size": 16, "embedding_size": 16, "intermediate_size": 16, "vocab_size": 20}
    sizes |= {"d_model": 16, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    heads = {"num_attention_heads": 2, "encoder_attention_heads": 2, "decoder_attention_heads": 2}
    config = AutoConfig.for_model(kind, **sizes, **heads)
    network = AutoModelForQuestionAnswering.from_config(config)
    freeze_layers(network, 0, "some/model")
    assert all(parameter.requires_grad for parameter in network.parameters())
    with pytest.raises(InputError) as caught:
        freeze_layers(network, 1, "some/model")
    assert str(caught.value) == (
        "train -> frozen_layers: 1 is not allowed for the backbone 'some/model', as its "
        f"architecture {kind!r} has no single stack of layers; choose 0"
    )
