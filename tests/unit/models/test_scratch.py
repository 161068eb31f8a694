"""The backbone from nothing: its vocabulary, its folder, and a race with it through the steps."""

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from squadron import steps
from squadron.artifacts import EXAMPLES, read_table
from squadron.config import Contender, Data, Predict, Splits, Train, Windows, to_json
from squadron.data.layout import read_layout
from squadron.data.windows import slide_windows
from squadron.errors import InputError
from squadron.models import backbones, batches, licences, scratch, variants
from squadron.reader import Reader
from tests import tiny_models
from tests.steps_by_hand import featurize, train_to_evaluate

TEXTS = [
    "The lighthouse was lit in July 1823, and the keeper slept.",
    "Who lit the lighthouse? The keeper; the keeper's café was Dürer's.",
    "Lighthouses and keepers: 東京は日本の首都です。 東京",
]
WORDS = st.lists(
    st.sampled_from(["lighthouse", "keeper's", "Zebra", "東京", "1823", "é"]),
    min_size=1,
    max_size=60,
)
KINDS = list(scratch.VOCABULARY_SIZES)
WINDOWS = Windows(max_length=40, stride=8, max_question_length=12)
ANY_TEXT = st.text(
    st.characters(exclude_categories=["Cs"])
    | st.sampled_from(list("  lighthouse keeper É́ßİﬁ\u200b[]#\n"))
)


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """kind -> a folder as featurize writes it."""
    root = tmp_path_factory.mktemp("scratch")
    for kind in KINDS:
        scratch.write_backbone(root / kind, TEXTS, kind, 40)
    return {kind: root / kind for kind in KINDS}


# Names


def test_names_say_the_kind_of_vocabulary_and_every_other_name_is_no_scratch_backbone():
    assert scratch.read_kind("scratch") == scratch.read_kind("scratch:words") == "words"
    assert scratch.read_kind("scratch:wordpiece") == "wordpiece"
    for name in ("all-MiniLM-L6-v2", "./scratch", "org/scratch", "scratch-2", "s3://scratch/x"):
        assert scratch.read_kind(name) == ""
        assert scratch.find_backbone(name, Path("w"), WINDOWS) == name


@pytest.mark.parametrize("name", ["scratch:", "scratch:bytes", "scratch:words:9"])
def test_an_unknown_kind_is_refused_with_the_kinds_there_are(name):
    with pytest.raises(InputError) as caught:
        scratch.read_kind(name)
    assert str(caught.value) == (
        f"backbone: {name!r} is not allowed; choose 'scratch' or one of 'scratch:words', "
        "'scratch:wordpiece'"
    )


def test_the_name_stands_for_no_model_before_featurize_has_made_one():
    for call in (backbones.locate, backbones.load_tokenizer):
        with pytest.raises(InputError, match="it has no place before featurize has run"):
            call("scratch")
    assert backbones.fingerprint("scratch:words") != backbones.fingerprint("scratch:wordpiece")
    assert licences.find_licence("scratch") == "none: trained from nothing"


# Vocabulary


def test_whole_words_seen_twice_are_tokens_and_all_others_are_unknown():
    tokenizer = scratch.train_tokenizer(TEXTS, "words")
    assert list(scratch.SPECIALS) == [tokenizer.id_to_token(n) for n in range(5)]
    found = tokenizer.encode("The KEEPER lit cafe, zebra!", add_special_tokens=False).tokens
    # "café" and "," occur once in the texts, "zebra" and "!" never.
    assert found == ["the", "keeper", "lit", "[UNK]", "[UNK]", "[UNK]", "[UNK]"]


def test_accents_and_case_make_no_other_word():
    tokenizer = scratch.train_tokenizer(["Café", "cafe, CAFÉ"], "words")
    assert set(tokenizer.get_vocab()) == {*scratch.SPECIALS, "cafe"}


def test_word_pieces_build_words_never_seen_and_a_letter_never_seen_is_unknown():
    tokenizer = scratch.train_tokenizer(TEXTS, "wordpiece")
    pieces = tokenizer.encode("lighthouse nightkeeper Ω", add_special_tokens=False).tokens
    assert pieces[0] == "lighthouse"
    assert "".join(piece.removeprefix("##") for piece in pieces[1:-1]) == "nightkeeper"
    assert pieces[-1] == "[UNK]"


def test_a_vocabulary_has_its_size_at_most(monkeypatch, kind):
    monkeypatch.setitem(scratch.VOCABULARY_SIZES, kind, 80)
    many = [f"word{n} word{n}" for n in range(200)]
    assert scratch.train_tokenizer(many, kind).get_vocab_size() == 80


def test_every_process_trains_the_same_vocabulary(kind):
    # Equal counts are ties, whose order would change if it were not stable.
    code = (
        "import hashlib, sys; from squadron.models import scratch; "
        "texts = [f'{a}{b} {b}{a}{a}' for a in 'abcdefgh' for b in 'stuvwxyz'] * 2; "
        "text = scratch.train_tokenizer(texts, sys.argv[1]).to_str(); "
        "print(hashlib.sha256(text.encode()).hexdigest())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code, kind], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(3)
    }
    assert len(found) == 1


@given(ANY_TEXT, st.sampled_from(KINDS))
def test_offsets_rise_and_lie_in_the_text(text, kind):
    tokenizer = TOKENIZERS[kind]
    encoding = tokenizer.encode(text, add_special_tokens=False)
    end = 0
    for start_char, end_char in encoding.offsets:
        assert end <= start_char <= end_char <= len(text)
        end = start_char
    if kind == "words":
        known = set(tokenizer.get_vocab())
        for token, (start_char, end_char) in zip(encoding.tokens, encoding.offsets, strict=True):
            word = tokenizer.normalizer.normalize_str(text[start_char:end_char]).strip()
            assert token == (word if word in known else "[UNK]") or token in scratch.SPECIALS


TOKENIZERS = {kind: scratch.train_tokenizer(TEXTS, kind) for kind in KINDS}


@given(WORDS, st.data())
def test_the_window_of_an_answer_of_whole_words_gives_its_very_characters(words, data):
    context = " ".join(words)
    first = data.draw(st.integers(0, len(words) - 1))
    last = data.draw(st.integers(first, min(first + 2, len(words) - 1)))
    answer = " ".join(words[first : last + 1])
    start_char = len(" ".join(words[:first])) + bool(first)
    row = {"id": "q", "title": "", "question": "Who?", "context": context, "reasoning_type": ""}
    row["answers"] = [{"text": answer, "start_char": start_char}]
    examples = pa.Table.from_pylist([row], schema=EXAMPLES)
    for tokenizer in TOKENIZERS.values():
        windows, _ = slide_windows(examples, tokenizer, read_layout(tokenizer, 0), WINDOWS)
        for window in windows.to_pylist():
            if window["start_token"]:
                start = window["start_chars"][window["start_token"] - window["context_start"]]
                end = window["end_chars"][window["end_token"] - window["context_start"]]
                assert context[start:end] == answer


# The folder


def test_the_folder_is_a_bert_without_weights_that_transformers_reads(folders, kind):
    folder = folders[kind]
    names = {path.name for path in folder.iterdir()}
    assert names == {"config.json", "scratch.json", "tokenizer.json", "tokenizer_config.json"}
    tokenizer = backbones.load_tokenizer(str(folder))
    trained = scratch.train_tokenizer(TEXTS, kind)
    assert backbones.bare_tokenizer(tokenizer).to_str() == trained.to_str()
    assert tokenizer.model_max_length == 40
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id) == (0, 1)
    layout = read_layout(trained, 0)
    assert (layout.before, layout.between, layout.after) == ((2,), (3,), (3,))
    assert (layout.question_type, layout.context_type) == (0, 1)


def test_the_positions_are_enough_for_padded_windows(folders):
    assert scratch.POSITION_MULTIPLE % batches.LENGTH_MULTIPLE == 0
    for folder in folders.values():
        assert json.loads((folder / "config.json").read_text())["max_position_embeddings"] == 40


def build(folder, seed=0, **options):
    span = variants.load_variant("span")
    torch.manual_seed(seed)
    return span.build(str(folder), span.Options(**options))


def test_weights_are_drawn_from_the_seed(folders, kind):
    one, same, other = (build(folders[kind], seed) for seed in (1, 1, 2))
    weights = [model.network.qa_outputs.weight for model in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    bert = one.network.config
    sizes = (bert.hidden_size, bert.num_hidden_layers, bert.num_attention_heads)
    assert (*sizes, bert.intermediate_size, bert.hidden_dropout_prob) == (128, 2, 4, 512, 0.1)
    assert build(folders[kind], attention_dropout=0.2).network.config.attention_probs_dropout_prob


def test_a_folder_without_weights_is_refused_unless_it_says_that_it_has_none(folders, tmp_path):
    place = Path(tiny_models.write_backbone(tmp_path / "backbone"))
    (place / "model.safetensors").unlink()
    with pytest.raises(InputError, match="can't be loaded"):
        build(place)
    fresh = folders["words"]
    model = build(fresh)
    saved = tmp_path / "saved"
    saved.mkdir()
    model.save(saved)
    backbones.load_tokenizer(str(fresh)).save_pretrained(saved)
    assert not (saved / scratch.MARKER).exists()
    assert torch.equal(build(saved, 5).network.qa_outputs.weight, model.network.qa_outputs.weight)
    (saved / "model.safetensors").unlink()
    with pytest.raises(InputError, match="can't be loaded"):
        build(saved)


@pytest.mark.parametrize("name", ["model.safetensors", "model-00001-of-2.safetensors", "x.bin"])
def test_weights_beside_the_marker_are_never_ignored(tmp_path, name):
    scratch.write_backbone(tmp_path, TEXTS, "words", 40)
    (tmp_path / name).write_bytes(b"torn")
    with pytest.raises(InputError, match="can't be loaded"):
        build(tmp_path)


# A race


@pytest.fixture(scope="module", params=KINDS)
def race(request, tmp_path_factory):
    """(the folder of a race that went through all steps up to evaluate, its contender)."""
    root = tmp_path_factory.mktemp(request.param)
    contexts = {"Library": tiny_models.LIBRARY, "River": tiny_models.RIVER}
    contexts |= {"Bridge": tiny_models.BRIDGE, "Tram": tiny_models.TRAM}
    data = []
    for title, context in contexts.items():
        qas = [
            {
                "id": f"{title}{n}",
                "question": q,
                "answers": [{"text": a, "answer_start": context.index(a)}],
            }
            for n, (q, c, a) in enumerate(tiny_models.EIGHT_QUESTIONS)
            if c == context
        ]
        data.append({"title": title, "paragraphs": [{"context": context, "qas": qas}]})
    (root / "data.json").write_text(json.dumps({"data": data}))
    contender = Contender(
        "span",
        backbone=f"scratch:{request.param}",
        windows=WINDOWS,
        train=Train(epochs=2, learning_rate=1e-3, batch_size=2, precision="fp32"),
        predict=Predict(n_best=3, max_answer_tokens=6),
    )
    splits = Splits(tune=1, select=1, test=1)
    steps.ingest(
        data=to_json(Data(train=(str(root / "data.json"),), splits=splits)),
        examples=root / "examples",
    )
    run_from_featurize(root, contender)
    return root, contender


def run_from_featurize(root, contender):
    featurize(root, contender.backbone, WINDOWS)
    train_to_evaluate(root, contender)


def words_of(examples, split):
    table = read_table(examples / f"{split}.parquet", schema="examples/1")
    tokenizer = scratch.train_tokenizer([], "words")
    texts = [*table["question"].to_pylist(), *table["context"].to_pylist()]
    words = (
        tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text))
        for text in texts
    )
    return {word for some in words for word, _ in some}


def test_no_word_comes_from_another_split(race):
    root, contender = race
    place = Path(scratch.find_backbone(contender.backbone, root / "windows", WINDOWS))
    assert [path.name for path in place.parent.iterdir()] == [place.name]
    vocabulary = set(backbones.load_tokenizer(str(place)).get_vocab()) - set(scratch.SPECIALS)
    own = words_of(root / "examples", "train")
    elsewhere = set().union(*(words_of(root / "examples", s) for s in ("tune", "select", "test")))
    assert len(elsewhere - own) > 20
    assert not vocabulary & (elsewhere - own)
    if contender.backbone.endswith("words"):
        assert vocabulary <= own


def test_the_model_is_a_normal_one_that_answers(race):
    root, contender = race
    assert json.loads((root / "evaluation" / "metrics.json").read_text())["splits"]["test"]
    about = json.loads((root / "model" / "variant.json").read_text())
    assert about["contender"]["backbone"] == contender.backbone
    assert "model.safetensors" in about["files"]
    assert scratch.MARKER not in about["files"]
    torch.manual_seed(99)
    reading = Reader.load(root / "model").read([("Who?", tiny_models.TRAM)])[0]
    assert tiny_models.TRAM[reading.start_char : reading.end_char] == reading.text != ""


def test_the_same_race_gives_the_same_weights(race, tmp_path):
    root, contender = race
    (tmp_path / "examples").symlink_to(root / "examples")
    run_from_featurize(tmp_path, contender)
    weights = [place / "model" / "model.safetensors" for place in (root, tmp_path)]
    assert weights[0].read_bytes() == weights[1].read_bytes()
