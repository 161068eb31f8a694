"""Checks that every variant, also a new one, keeps the contract of `squadron.models.variants`."""

import copy
import dataclasses
import importlib
import inspect
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch

from squadron import requirements
from squadron.config import Contender, Train, Windows
from squadron.errors import InputError
from squadron.models import minilm, model_folder, variants
from squadron.models.backbones import load_tokenizer
from squadron.models.batches import WindowSet
from squadron.models.optimizer import trained_parameters
from squadron.models.prediction import predict_candidates
from squadron.models.training import train_model
from tests import tiny_models
from tests.tiny_models import FP32

ALL = variants.list_variants()
TRAINED = [name for name in ALL if variants.load_variant(name).TRAINS]
CPU = torch.device("cpu")
OVERFIT = Train(epochs=40, learning_rate=1e-2, batch_size=4, patience=12, precision="fp32")
# Soft prompts on a frozen random body learn slowly.
OVERFIT_CHANGES = {"prompt_tuning": {"epochs": 100, "learning_rate": 3e-2, "patience": 40}}


def short_name(variant):
    return variant.__name__.rpartition(".")[2]


def as_backbone(name, backbone, folder):
    """Returns what a variant is built on: a backbone, or a registered model for a champion.

    The registered model is a span model.
    """
    if name != "champion":
        return backbone
    span = variants.load_variant("span")
    model = span.build(backbone, span.Options())
    tokenizer = load_tokenizer(backbone)
    model_folder.write_model(folder, model, tokenizer, Contender("span"), made_from="x")
    return str(folder)


def test_there_are_variants_to_test_and_some_of_them_train():
    assert len(ALL) >= 2
    assert {"span", "pretrained"} <= set(ALL)
    assert TRAINED
    assert set(TRAINED) != set(ALL)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Returns a backbone, the eight questions, their windows, and windows of many lengths."""
    backbone = tiny_models.write_backbone(tmp_path_factory.mktemp("tiny") / "backbone")
    examples = tiny_models.make_examples(tiny_models.EIGHT_QUESTIONS)
    windows, layout = tiny_models.cut_windows(backbone, examples)
    odd = [*tiny_models.EIGHT_QUESTIONS[:2], *tiny_models.UNANSWERED, ("Why?", "", "")]
    short = Windows(max_length=32, stride=8, max_question_length=16)
    many, _ = tiny_models.cut_windows(backbone, tiny_models.make_examples(odd), short)
    # Padded to 64 tokens and, alone, to 32.
    many = tiny_models.join_windows(windows, many)
    return SimpleNamespace(
        backbone=backbone, examples=examples, windows=windows, layout=layout, many=many
    )


@pytest.fixture(scope="module", params=ALL)
def built(request, tiny, tmp_path_factory):
    """Returns a variant and its untrained model."""
    torch.manual_seed(0)
    variant = variants.load_variant(request.param)
    registered = tmp_path_factory.mktemp("registered") / "model"
    backbone = as_backbone(request.param, tiny.backbone, registered)
    return variant, variant.build(backbone, variant.Options())


@pytest.fixture(scope="module", params=TRAINED)
def overfitted(request, tiny, tmp_path_factory):
    """Returns a variant, its model trained on the eight questions, and the training."""
    torch.manual_seed(0)
    variant = variants.load_variant(request.param)
    model = variant.build(tiny.backbone, variant.Options())
    frozen = {name: p.clone() for name, p in model.named_parameters() if not p.requires_grad}
    run = train_model(
        model,
        WindowSet(tiny.windows, tiny.layout),
        dataclasses.replace(OVERFIT, **OVERFIT_CHANGES.get(request.param, {})),
        evaluate=tiny_models.make_judge(model, tiny.windows, tiny.layout, tiny.examples),
        checkpoints=tmp_path_factory.mktemp(request.param),
    )
    return SimpleNamespace(variant=variant, model=model, run=run, frozen=frozen)


def predict(model, windows, layout, **changes):
    settings = dataclasses.replace(FP32, **changes)
    return pa.concat_tables(list(predict_candidates(model, windows, layout, settings, CPU)))


def test_a_variant_says_what_it_is_and_takes_options_with_defaults(built):
    variant, model = built
    assert isinstance(variant.TRAINS, bool)
    assert inspect.getdoc(variant)
    options = variant.Options()
    assert dataclasses.is_dataclass(options)
    with pytest.raises(dataclasses.FrozenInstanceError):
        options.attention_dropout = 1
    assert isinstance(model, torch.nn.Module)


def test_the_loss_is_a_finite_scalar_and_the_mean_over_windows(built, tiny):
    model = built[1].eval()
    windows = WindowSet(tiny.many, tiny.layout)
    assert windows.lengths.min() <= 32 < windows.lengths.max()
    rows = range(len(windows))
    with torch.inference_mode():
        loss = model(windows.collate(rows))
        alone = [float(model(windows.collate([row]))) for row in rows]
    assert loss.shape == ()
    assert loss.dtype == torch.float32
    assert np.isfinite(alone).all()
    # Padding and other windows of the batch change nothing.
    assert float(loss) == pytest.approx(np.mean(alone), abs=1e-5)


def test_spans_lie_in_the_context_and_come_best_first(built, tiny):
    model = built[1].eval()
    batch = WindowSet(tiny.many, tiny.layout).collate(range(tiny.many.num_rows))
    with torch.inference_mode():
        spans = model.top_spans(batch, 7, 4)

    assert not spans.score_BK.isnan().any()
    assert torch.isfinite(spans.null_score_B).all()
    for row, (first, last) in enumerate(
        zip(batch.context_start_B.tolist(), batch.context_end_B.tolist(), strict=True)
    ):
        scores = spans.score_BK[row]
        kept = torch.isfinite(scores)
        size = last - first + 1
        possible = sum(min(4, size - start) for start in range(size))
        assert int(kept.sum()) == min(7, possible)
        assert scores.tolist() == sorted(scores.tolist(), reverse=True)
        starts, ends = (
            side[row, kept].tolist() for side in (spans.start_token_BK, spans.end_token_BK)
        )
        assert len(set(zip(starts, ends, strict=True))) == len(starts)
        for start, end in zip(starts, ends, strict=True):
            assert first <= start <= end <= last
            assert end - start < 4
    assert not kept.any(), "the last window has an empty context"


def test_only_the_parameters_that_train_get_gradients_and_all_of_them_do(tiny):
    for name in TRAINED:
        variant = variants.load_variant(name)
        model = variant.build(tiny.backbone, variant.Options()).train()
        model(WindowSet(tiny.windows, tiny.layout).collate(range(8))).backward()
        promised = trained_parameters(model).keys()
        assert promised
        for parameter_name, parameter in model.named_parameters():
            where = f"{name}: {parameter_name}"
            assert (parameter.grad is not None) == (parameter_name in promised), where
            if parameter.grad is not None:
                assert torch.isfinite(parameter.grad).all(), where


@pytest.mark.slow
def test_a_trained_variant_answers_its_eight_questions(overfitted, tiny):
    tiny_models.assert_learned(overfitted.run)
    texts = tiny_models.answer_all(overfitted.model, tiny.windows, tiny.layout, tiny.examples)
    exact = 100 * np.mean(
        [text == gold for text, (*_, gold) in zip(texts, tiny_models.EIGHT_QUESTIONS, strict=True)]
    )
    assert exact == overfitted.run.best_exact_match, "the best epoch is what remains"


@pytest.mark.slow
def test_frozen_weights_are_as_they_were_after_training(overfitted):
    parameters = dict(overfitted.model.named_parameters())
    for name, before in overfitted.frozen.items():
        assert torch.equal(parameters[name], before), name


@pytest.mark.slow
def test_single_and_half_precision_give_the_same_answers(overfitted, tiny):
    single, half = (
        tiny_models.answer_all(
            overfitted.model,
            tiny.windows,
            tiny.layout,
            tiny.examples,
            dataclasses.replace(FP32, precision=precision),
        )
        for precision in ("fp32", "bf16")
    )
    # Rounding may decide between two spans with nearly equal scores.
    assert sum(ours == theirs for ours, theirs in zip(half, single, strict=True)) >= 6
    scores = [predict(overfitted.model, tiny.windows, tiny.layout, precision=p)["score"]
              for p in ("fp32", "bf16")]  # fmt: skip
    assert scores[0] != scores[1], "bf16 changed nothing: it was not used"


def assert_saved_whole(variant, model, tiny, folder):
    folder.mkdir()
    model.save(folder)
    names = [path.name for path in folder.rglob("*") if path.is_file()]
    assert names
    assert all(name.endswith((".json", ".safetensors", ".txt")) for name in names), names

    if short_name(variant) == "lora":
        model = copy.deepcopy(model)
        model.network.merge_adapter()  # as `load` does
    torch.manual_seed(99)  # a weight that is missing in the files would be drawn again
    loaded = variant.load(folder, variant.Options())

    ours, theirs = (dict(each.named_parameters()) for each in (loaded, model))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    tiny_models.assert_same_candidates(
        predict(loaded, tiny.many, tiny.layout), predict(model, tiny.many, tiny.layout)
    )


def test_a_variant_says_what_must_be_installed_where_its_models_are_loaded(built, tmp_path):
    variant, model = built
    model.save(tmp_path)
    place = tmp_path / "backbone.json"
    if place.exists():
        place.write_text(
            place.read_text().replace(json.loads(place.read_text())["backbone"], minilm.NAME)
        )
    needed = variants.find_requirements(short_name(variant), tmp_path)
    assert requirements.find_distributions(variant.__name__) <= needed
    assert (minilm.PACKAGE in needed) == place.exists()
    # A champion of a span model needs what a span model needs.
    assert {"torch", "transformers"} <= needed


def test_a_saved_model_gives_the_same_candidates(built, tiny, tmp_path):
    assert_saved_whole(*built, tiny, tmp_path / "model")


@pytest.mark.slow
def test_a_trained_and_saved_model_gives_the_same_candidates(overfitted, tiny, tmp_path):
    assert_saved_whole(overfitted.variant, overfitted.model, tiny, tmp_path / "model")


def test_a_saved_model_needs_nothing_of_the_backbone_or_names_it(built, tmp_path):
    variant = built[0]
    backbone = tiny_models.write_backbone(tmp_path / "backbone", seed=5)
    place = as_backbone(short_name(variant), backbone, tmp_path / "registered")
    variant.build(place, variant.Options()).save(tmp_path)
    shutil.rmtree(backbone)
    shutil.rmtree(place, ignore_errors=True)
    names_backbone = (tmp_path / "backbone.json").exists()
    assert names_backbone == getattr(variant, "NAMES_BACKBONE", False)
    if not names_backbone:
        assert variant.load(tmp_path, variant.Options())
        return
    with pytest.raises(InputError) as caught:
        variant.load(tmp_path, variant.Options())
    assert f"The adapter in {tmp_path} needs its backbone: The backbone {backbone!r}" in str(
        caught.value
    )


def test_a_backbone_stored_in_half_precision_becomes_single(built, tiny, tmp_path):
    from transformers import BertForQuestionAnswering

    half = BertForQuestionAnswering.from_pretrained(tiny.backbone, dtype=torch.float16)
    half.save_pretrained(tmp_path)
    load_tokenizer(tiny.backbone).save_pretrained(tmp_path)
    variant = built[0]
    place = as_backbone(short_name(variant), str(tmp_path), tmp_path / "registered")
    model = variant.build(place, variant.Options())
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


@pytest.mark.parametrize("name", ALL)
def test_every_variant_is_accepted_as_a_contender(name):
    variants.check_contender(Contender(name), "contenders -> 1")
    defaults = dataclasses.asdict(variants.load_variant(name).Options())
    variants.check_contender(Contender(name, options=defaults), "contenders -> 1")


# Finding variants.


def test_an_unknown_variant_is_refused_with_the_nearest_name_and_all_there_are():
    with pytest.raises(InputError) as caught:
        variants.check_contender(Contender("spann"), "contenders -> 2")
    assert str(caught.value) == (
        "contenders -> 2 -> variant: 'spann' is not a variant; did you mean 'span'? "
        f"known: {', '.join(ALL)}"
    )
    with pytest.raises(InputError) as caught:
        variants.load_variant("zzz")
    assert str(caught.value) == f"'zzz' is not a variant; known: {', '.join(ALL)}"


@pytest.mark.parametrize("name", ["", "__init__", "os", "..config", "span.Options"])
def test_only_files_of_the_folder_are_variants(name):
    with pytest.raises(InputError, match="is not a variant"):
        variants.load_variant(name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"attention_dropuot": 0.1},
            "attention_dropuot is not a setting; did you mean 'attention_dropout'? "
            "known: attention_dropout",
        ),
        ({"attention_dropout": "much"}, "attention_dropout: 'much' is text; a number is needed"),
        ({"attention_dropout": 1}, "attention_dropout: 1.0 is not allowed; 0 to below 1"),
    ],
)
def test_a_wrong_option_is_refused_with_its_path(options, message):
    with pytest.raises(InputError) as caught:
        variants.check_contender(Contender("span", options=options), "contenders -> 3")
    assert str(caught.value) == f"contenders -> 3 -> options -> {message}"


@pytest.fixture
def added(tmp_path, monkeypatch):
    """Adds a copy of span in another folder of the package, as if a file were added."""
    source = Path(variants.__path__[0]) / "span.py"
    shutil.copy(source, tmp_path / "added_in_a_test.py")
    shutil.copy(source, tmp_path / "_private.py")
    monkeypatch.setattr(variants, "__path__", [*variants.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    yield "added_in_a_test"
    sys.modules.pop("squadron.models.variants.added_in_a_test", None)
    vars(variants).pop("added_in_a_test", None)


def test_a_new_file_is_a_new_variant_without_being_listed_anywhere(added, tiny, tmp_path):
    assert variants.list_variants() == sorted([*ALL, added])
    contender = Contender(added, backbone=tiny.backbone, options={"attention_dropout": 0.25})
    variants.check_contender(contender, "contenders -> 1")
    variant = variants.load_variant(added)
    assert variant.__file__ == str(tmp_path / "added_in_a_test.py")
    model = variant.build(tiny.backbone, variants.read_options(contender))

    folder = tmp_path / "model"
    tokenizer = load_tokenizer(tiny.backbone)
    model_folder.write_model(folder, model, tokenizer, contender, made_from="x")
    loaded = model_folder.load_model(folder)

    assert type(loaded.model).__module__ == f"squadron.models.variants.{added}"
    assert loaded.model.network.config.attention_probs_dropout_prob == 0.25
    tiny_models.assert_same_candidates(
        *(predict(m, tiny.many, tiny.layout) for m in (model, loaded.model))
    )


def test_options_reach_the_model(tiny):
    variant = variants.load_variant("span")
    dropped = variant.build(tiny.backbone, variant.Options(attention_dropout=0.5)).train()
    plain = variant.build(tiny.backbone, variant.Options()).train()
    batch = WindowSet(tiny.windows, tiny.layout).collate(range(8))
    assert not torch.equal(dropped(batch), dropped(batch))
    assert torch.equal(plain(batch), plain(batch)), "the tiny backbone has no other dropout"


@pytest.mark.parametrize("name", ALL)
def test_whether_a_variant_trains_is_read_without_importing_it(name):
    assert variants.is_trained(name) == variants.load_variant(name).TRAINS
