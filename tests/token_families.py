"""Small real tokenizers of every family, trained on the text that a test reads.

Each family is put together as transformers 5.23 does it in `models/<family>/tokenization_*.py`, so
that its offsets have the habits of the real one. Unicode NFKC stands in for SentencePiece's
precompiled character map, which is the same but for a few characters.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from tokenizers import (
    Regex,
    Tokenizer,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

BERT = ("[CLS]", "[SEP]")
ROBERTA = ("<s>", "</s>")


@dataclass(frozen=True)
class Family:
    """The parts of one kind of tokenizer.

    The trainer is made anew for each training, and the special tokens are (first, separator).
    """

    model: Callable[[], Any]
    trainer: Callable[..., Any]
    normalizer: Callable[[], Any] | None
    pre_tokenizer: Callable[[], Any]
    specials: tuple[str, str]
    trims: bool = False
    """Whether the post-processor removes blanks from the offsets, as that of RoBERTa does."""


def _bpe(**options: Any) -> Any:
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    return trainers.BpeTrainer(initial_alphabet=alphabet, **options)


def _unigram(**options: Any) -> Any:
    return trainers.UnigramTrainer(unk_token="[UNK]", **options)


def _metaspace(scheme: str) -> Any:
    return pre_tokenizers.Metaspace(replacement="▁", prepend_scheme=scheme)


def _words_then_metaspace(scheme: str) -> Any:
    return pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), _metaspace(scheme)])


def _deberta_normalizer() -> Any:
    return normalizers.Sequence(
        [
            normalizers.Replace(Regex(r"\s{2,}|[\n\r\t]"), " "),
            normalizers.NFC(),
            normalizers.Strip(left=False, right=True),
        ]
    )


def _albert_normalizer() -> Any:
    return normalizers.Sequence(
        [
            normalizers.Replace("``", '"'),
            normalizers.Replace("''", '"'),
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.Lowercase(),
        ]
    )


FAMILIES = {
    # BERT, ELECTRA, MPNet, DistilBERT.
    "wordpiece": Family(
        lambda: models.WordPiece(unk_token="[UNK]"),
        trainers.WordPieceTrainer,
        lambda: normalizers.BertNormalizer(lowercase=True),
        pre_tokenizers.BertPreTokenizer,
        BERT,
    ),
    # RoBERTa, Longformer.
    "byte_level_trimming": Family(
        models.BPE,
        _bpe,
        None,
        lambda: pre_tokenizers.ByteLevel(add_prefix_space=False),
        ROBERTA,
        trims=True,
    ),
    # ModernBERT, DeBERTa v1.
    "byte_level": Family(
        models.BPE,
        _bpe,
        normalizers.NFC,
        lambda: pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False),
        BERT,
    ),
    "byte_level_with_prefix": Family(
        models.BPE,
        _bpe,
        None,
        lambda: pre_tokenizers.ByteLevel(add_prefix_space=True, trim_offsets=False),
        BERT,
    ),
    # DeBERTa v2 and v3.
    "deberta": Family(
        models.Unigram, _unigram, _deberta_normalizer, lambda: _metaspace("always"), BERT
    ),
    "deberta_with_punctuation": Family(
        models.Unigram,
        _unigram,
        _deberta_normalizer,
        lambda: pre_tokenizers.Sequence(
            [pre_tokenizers.Punctuation(behavior="isolated"), _metaspace("always")]
        ),
        BERT,
    ),
    "xlm_roberta": Family(
        models.Unigram,
        _unigram,
        normalizers.NFKC,
        lambda: _words_then_metaspace("always"),
        ROBERTA,
    ),
    "albert": Family(
        models.Unigram, _unigram, _albert_normalizer, lambda: _words_then_metaspace("always"), BERT
    ),
    "albert_without_prefix": Family(
        models.Unigram, _unigram, _albert_normalizer, lambda: _words_then_metaspace("never"), BERT
    ),
    # BigBird, T5.
    "metaspace_first": Family(
        models.Unigram, _unigram, normalizers.NFKC, lambda: _metaspace("first"), BERT
    ),
    "metaspace_never": Family(models.Unigram, _unigram, None, lambda: _metaspace("never"), BERT),
}


def train_tokenizer(name: str, texts: Iterable[str], vocab_size: int) -> Tokenizer:
    """Trains a tokenizer of a family. Its padding token has the number 0."""
    family = FAMILIES[name]
    tokenizer = Tokenizer(family.model())
    if family.normalizer:
        tokenizer.normalizer = family.normalizer()
    # SentencePiece cuts its training text between letters and punctuation, so that no token has
    # both. The trainer of the tokenizers library leaves that to the pre-tokenizer.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [family.pre_tokenizer(), pre_tokenizers.Punctuation(behavior="isolated")]
    )
    first, separator = family.specials
    specials = ["[PAD]", "[UNK]", first, separator, "[MASK]"]
    tokenizer.train_from_iterator(
        texts,
        family.trainer(vocab_size=vocab_size, special_tokens=specials, show_progress=False),
    )
    tokenizer.pre_tokenizer = family.pre_tokenizer()
    places = {token: tokenizer.token_to_id(token) for token in family.specials}
    if family.trims:
        tokenizer.post_processor = processors.RobertaProcessing(
            (separator, places[separator]), (first, places[first]), add_prefix_space=False
        )
    else:
        twice = f" {separator}:0" if family.specials == ROBERTA else ""
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{first}:0 $A:0 {separator}:0",
            pair=f"{first}:0 $A:0 {separator}:0{twice} $B:1 {separator}:1",
            special_tokens=list(places.items()),
        )
    return tokenizer
