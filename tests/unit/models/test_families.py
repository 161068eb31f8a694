"""Every architecture that transformers has question answering for: it works, or it is refused.

The list is transformers' own, so that a new architecture is found here. Each is built tiny from its
configuration. A pretended GPU takes the path that picks the attention for a GPU; the arithmetic
stays on the CPU.
"""

import json

import pytest
import torch
from tokenizers import processors
from transformers import AutoModelForQuestionAnswering, AutoTokenizer, PreTrainedTokenizerFast
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.models.auto.modeling_auto import MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES

from squadron.config import Contender, Predict, Train, Windows
from squadron.errors import InputError
from squadron.models import architectures, backbones, model_folder
from squadron.models.batches import WindowSet
from squadron.models.cpu_layers import ATTENTION
from squadron.models.training import train_model
from squadron.models.variants import crf, reasoning, span
from squadron.reader import Reader
from tests import tiny_models

FAMILIES = sorted(MODEL_FOR_QUESTION_ANSWERING_MAPPING_NAMES)
REFUSED = sorted(architectures.NEED_MORE_THAN_TEXT)
# What architectures call their sizes; each takes those that it has. One head of keys and values for
# two of queries, where an architecture can have that.
SIZES = {
    **dict.fromkeys(("hidden_size", "d_model", "n_embd", "dim", "emb_dim", "embedding_size"), 32),
    **dict.fromkeys(("num_hidden_layers", "n_layers", "n_layer", "num_layers"), 2),
    **dict.fromkeys(("encoder_layers", "decoder_layers", "num_decoder_layers"), 2),
    **dict.fromkeys(("num_attention_heads", "n_heads", "n_head", "num_heads"), 2),
    **dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 2),
    **dict.fromkeys(("head_dim", "d_head", "d_kv", "attention_head_size"), 16),
    **dict.fromkeys(("intermediate_size", "hidden_dim", "n_inner", "d_inner", "d_ff"), 64),
    **dict.fromkeys(("encoder_ffn_dim", "decoder_ffn_dim", "ffn_dim", "feed_forward_size"), 64),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "max_seq_len"), 128),
    **dict.fromkeys(("max_encoder_position_embeddings", "max_decoder_position_embeddings"), 128),
    **dict.fromkeys(("num_experts", "num_local_experts"), 2),
    **dict.fromkeys(("moe_intermediate_size", "shared_expert_intermediate_size"), 32),
    "num_experts_per_tok": 1,
    "num_key_value_heads": 1,
    "initializer_range": 0.3,
}
CHANGES = {
    "diffllama": {"num_key_value_heads": 2},
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "gptj": {"rotary_dim": 8},
    "layoutlmv3": {"coordinate_size": 4, "shape_size": 8},
    "led": {"attention_window": 16},
    "lilt": {"hidden_size": 48},
    "longformer": {"attention_window": 16},
    "luke": {"entity_vocab_size": 10, "entity_emb_size": 32},
    "qwen3_next": {
        "layer_types": ["linear_attention", "full_attention"],
        **dict.fromkeys(("linear_num_key_heads", "linear_num_value_heads"), 2),
        **dict.fromkeys(("linear_key_head_dim", "linear_value_head_dim"), 16),
    },
    # Without a seed, its hashes differ in each pass.
    "reformer": {"axial_pos_embds": False, "is_decoder": False, "hash_seed": 0,
                 "lsh_attn_chunk_length": 16, "local_attn_chunk_length": 16},
    "roc_bert": {"pronunciation_vocab_size": 200, "shape_vocab_size": 200},
    "t5": {"decoder_start_token_id": 0},
    "xmod": {"languages": ["en_XX"], "default_language": "en_XX"},
}  # fmt: skip
QUESTIONS = tiny_models.EIGHT_QUESTIONS[:4]
ASKED = [(question, context) for question, context, _ in QUESTIONS]
WINDOWS = Windows(max_length=64, stride=16, max_question_length=16)


def write_family(kind, folder):
    """A random tiny network of a kind and a tokenizer, as a backbone."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_models.write_backbone(folder))
    ids = {f"{n}_token_id": getattr(tokenizer, f"{n}_token_id") for n in ("pad", "cls", "sep")}
    # Longformer needs three separators, as in RoBERTa's layout.
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] [SEP] $B [SEP]",
        special_tokens=[("[CLS]", ids["cls_token_id"]), ("[SEP]", ids["sep_token_id"])],
    )
    # BERT's own class would restore BERT's layout.
    names = {f"{n}_token": getattr(tokenizer, f"{n}_token") for n in ("pad", "unk", "cls", "sep")}
    plain = PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, **names)
    for path in folder.iterdir():
        path.unlink()
    plain.save_pretrained(folder)
    numbers = (ids["pad_token_id"], ids["cls_token_id"], ids["sep_token_id"], len(tokenizer))
    network = AutoModelForQuestionAnswering.from_config(make_config(kind, *numbers))
    network.save_pretrained(folder)
    return str(folder)


def make_config(kind, pad_id, cls_id, sep_id, vocabulary):
    """The configuration of a tiny network; torch's seed is that of its weights."""
    known = CONFIG_MAPPING[kind]().to_dict()
    ids = {"pad_token_id": pad_id, "cls_token_id": cls_id, "sep_token_id": sep_id}
    ids |= {"bos_token_id": cls_id, "eos_token_id": sep_id, "vocab_size": vocabulary}
    sizes = {name: size for name, size in SIZES.items() if name in known}
    torch.manual_seed(0)
    return CONFIG_MAPPING[kind](**{**sizes, **ids, **CHANGES.get(kind, {})})


def on_pretended_gpu(build):
    """What `build` makes where torch says that there is a GPU."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: True)
        return build()


def logits_of(model, batch):
    with torch.no_grad():
        return [side_BT[batch.answer_mask_BT()] for side_BT in model.eval()._score(batch)]


def test_the_families_are_many_and_those_of_the_issue_are_among_them():
    assert len(FAMILIES) > 60
    assert {"bert", "roberta", "deberta", "deberta-v2", "mpnet", "big_bird"} < set(FAMILIES)
    assert set(REFUSED) < set(FAMILIES)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind not in REFUSED])
def test_a_family_trains_saves_loads_and_answers_on_a_cpu_and_as_built_for_a_gpu(kind, tmp_path):
    backbone = write_family(kind, tmp_path / "backbone")
    windows, layout = tiny_models.cut_windows(
        backbone, tiny_models.make_examples(QUESTIONS), WINDOWS
    )
    rows = WindowSet(windows, layout)
    batch = rows.collate(range(len(rows)))
    for_cpu = span.build(backbone, span.Options())
    for_gpu = on_pretended_gpu(lambda: span.build(backbone, span.Options()))
    assert for_gpu.network.config._attn_implementation in ("sdpa", "eager")
    assert ATTENTION not in for_gpu.network.config._attn_implementation
    for ours, theirs in zip(logits_of(for_cpu, batch), logits_of(for_gpu, batch), strict=True):
        assert torch.isfinite(theirs).all()
        assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-3), "CPU and GPU compute the same"

    settings = Train(epochs=1, batch_size=len(rows), learning_rate=1e-3, precision="fp32")
    before = {name: p.detach().clone() for name, p in for_gpu.named_parameters()}
    figures = {"exact_match": 0.0, "f1": 0.0}
    run = train_model(
        for_gpu, rows, settings, evaluate=lambda: figures, checkpoints=tmp_path / "checkpoints"
    )
    assert run.step == 1
    assert any(not torch.equal(p, before[name]) for name, p in for_gpu.named_parameters())

    contender = Contender(
        "span", backbone=backbone, windows=WINDOWS, predict=Predict(max_answer_tokens=8)
    )
    tokenizer = backbones.load_tokenizer(backbone)
    model_folder.write_model(tmp_path / "model", for_gpu, tokenizer, contender, made_from="x")
    trained = Reader(for_gpu, tokenizer, contender, None).read(ASKED)
    for load in (model_folder.load_model, on_pretended_gpu_load):
        loaded = load(tmp_path / "model")
        readings = Reader(loaded.model, loaded.tokenizer, loaded.contender, None).read(ASKED)
        for reading, known, (_, context) in zip(readings, trained, ASKED, strict=True):
            assert reading.text
            assert context[reading.start_char : reading.end_char] == reading.text
            assert reading.score == pytest.approx(known.score, rel=1e-3, abs=1e-2)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in FAMILIES if kind not in REFUSED])
def test_a_family_reads_as_many_tokens_as_it_is_said_to_have_positions(kind, tmp_path):
    network = AutoModelForQuestionAnswering.from_config(make_config(kind, 0, 2, 3, 60)).eval()
    limit = architectures.count_positions(network.config.to_dict())
    length = 160 if limit is None else min(160, limit)
    ids = torch.full((1, length), 7)
    ids[0, 0], ids[0, [5, 6, -1]] = 2, 3
    with torch.no_grad():
        logits = network(input_ids=ids, attention_mask=torch.ones_like(ids)).start_logits
    assert logits.shape == (1, length)


def on_pretended_gpu_load(folder):
    return on_pretended_gpu(lambda: model_folder.load_model(folder))


@pytest.mark.parametrize("kind", REFUSED)
def test_a_family_that_needs_more_than_text_is_refused_in_one_sentence(kind, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    for load in (backbones.read_config, lambda folder: span.build(folder, span.Options())):
        with pytest.raises(InputError) as caught:
            load(str(tmp_path))
        assert str(caught.value) == (
            f"The backbone {str(tmp_path)!r} is not allowed, as {kind} reads "
            f"{architectures.NEED_MORE_THAN_TEXT[kind]}; choose one such as bert, roberta, "
            "electra, deberta-v2 or modernbert"
        )


@pytest.mark.parametrize("kind", ["vit", "blenderbot", "gpt_oss"])
def test_a_family_without_question_answering_is_refused_in_one_sentence(kind, tmp_path):
    assert kind not in FAMILIES
    (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
    with pytest.raises(InputError, match=f"transformers has no question answering for {kind}; "):
        span.build(str(tmp_path), span.Options())


@pytest.mark.parametrize("variant", [crf, reasoning])
@pytest.mark.parametrize("kind", ["bart", "t5"])
def test_a_variant_with_a_head_of_its_own_refuses_encoder_decoders(variant, kind, tmp_path):
    backbone = write_family(kind, tmp_path / "backbone")
    name = variant.__name__.rpartition(".")[2]
    with pytest.raises(InputError, match=f"^variant {name}: the backbone's architecture '{kind}' "):
        variant.build(backbone, variant.Options())
