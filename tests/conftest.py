"""Fixtures of all tests: settings of hypothesis, and tiny tokenizers that behave as real ones."""

import gc
from dataclasses import dataclass

import hypothesis
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from squadron.data.layout import Layout, read_layout
from tests import token_families
from tests.effort import draws

# There is no deadline, because a busy or slow machine needs longer for an example.
hypothesis.settings.register_profile(
    "squadron",
    max_examples=draws(100),
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("squadron")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts files with slow tests first, so that no worker begins a long file at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """Keeps the garbage collector from walking through every imported module again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


SENTENCES = [
    "The lighthouse at Cordouan was lit in July 1823, and its lens is still the first of its kind.",
    "Who built the tower? An engineer did, because the older light was too weak to be seen.",
    "Rainfall of 1,142 mm a year; wind of 7.7 m/s. The rate fell from 5.4% to -0.3%!",
    "Désiré brought café crème to Zürich, naïve as he was – über alles ein Gewinn.",
    "Квартальный отчёт был опубликован в марте. 東京は日本の首都です。 Η Αθήνα είναι πόλη.",
    "What is the answer to the question, and where does the answer start and end in the context?",
]


@dataclass(frozen=True)
class TinyTokenizer:
    """A bare tokenizer as the featurize step uses it, with its layout."""

    name: str
    tokenizer: Tokenizer
    layout: Layout


def train_wordpiece() -> TinyTokenizer:
    """Trains one as BERT has: lower case, no accents, [CLS] question [SEP] context [SEP]."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(
        vocab_size=300, special_tokens=specials, show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return TinyTokenizer("wordpiece", tokenizer, read_layout(tokenizer, pad_id=0))


def train_byte_level() -> TinyTokenizer:
    """Trains one as RoBERTa has: bytes, so that a character may be several tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=420,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False
    )
    return TinyTokenizer("byte_level", tokenizer, read_layout(tokenizer, pad_id=1))


@pytest.fixture(scope="session")
def wordpiece() -> TinyTokenizer:
    return train_wordpiece()


@pytest.fixture(scope="session")
def byte_level() -> TinyTokenizer:
    return train_byte_level()


@pytest.fixture(scope="session")
def untrimmed() -> TinyTokenizer:
    """Bytes whose offsets include the blank before a word, as in DeBERTa v1."""
    tokenizer = token_families.train_tokenizer("byte_level_with_prefix", SENTENCES, 420)
    return TinyTokenizer("untrimmed", tokenizer, read_layout(tokenizer, pad_id=0))


@pytest.fixture(scope="session")
def metaspace() -> TinyTokenizer:
    """Pieces whose offsets include the blank before a word, as in DeBERTa v3."""
    tokenizer = token_families.train_tokenizer("deberta", SENTENCES, 300)
    return TinyTokenizer("metaspace", tokenizer, read_layout(tokenizer, pad_id=0))


@pytest.fixture(scope="session", params=["wordpiece", "byte_level", "untrimmed", "metaspace"])
def tiny(request: pytest.FixtureRequest) -> TinyTokenizer:
    """Each kind of tokenizer in turn."""
    return request.getfixturevalue(request.param)
