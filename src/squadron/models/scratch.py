"""The backbone `scratch`: a compact BERT without pretraining, whose vocabulary is made in the race.

Owns the names (`scratch`, `scratch:words`, `scratch:wordpiece`), the vocabulary, which comes from
the train split alone, and the folder that featurize writes and train reads. The folder holds
config.json, the tokenizer and a marker, but no weights: `backbones.from_pretrained` draws random
ones if `is_weightless` says so. A folder without the marker must contain its weights.

Sources: the architecture is from Devlin et al. 2019 (arXiv:1810.04805), WordPiece from Wu et al.
2016 (arXiv:1609.08144).
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from squadron.artifacts import write_json
from squadron.config import Windows, digest
from squadron.errors import InputError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

NAME = "scratch"
VOCABULARY_SIZES = {"words": 30_000, "wordpiece": 8_000}
"""The kinds of vocabulary and the most tokens of each. `scratch` alone means the first kind."""
MIN_COUNT = 2
"""A word or piece that occurs less often gets no token of its own. Nothing is lost, as a word that
occurs once can't be matched between a question and a context, and [UNK] is trained, too."""
MARKER = "scratch.json"
SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
POSITION_MULTIPLE = 8
"""Batches are padded up to a multiple of this (batches.LENGTH_MULTIPLE; a test compares them)."""
NETWORK = {
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 4 * 128,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,  # a variant's own option replaces it
}


def read_kind(backbone: str) -> str:
    """Returns the kind of vocabulary that a backbone names; "" if it is not a scratch backbone.

    Raises:
        InputError: If the kind is unknown.
    """
    name, colon, kind = backbone.partition(":")
    if name != NAME:
        return ""
    if not colon:
        return next(iter(VOCABULARY_SIZES))
    if kind not in VOCABULARY_SIZES:
        known = ", ".join(f"'{NAME}:{kind}'" for kind in VOCABULARY_SIZES)
        raise InputError(
            f"backbone: {backbone!r} is not allowed; choose {NAME!r} or one of {known}"
        )
    return kind


def find_backbone(backbone: str, windows: Path, settings: Windows) -> str:
    """Returns the folder of a scratch backbone in featurize's output; any other name unchanged.

    Contenders with the same kind of vocabulary and the same length of windows share the folder.
    """
    kind = read_kind(backbone)
    return str(windows / "backbones" / f"{kind}-{settings.max_length}") if kind else backbone


def make_backbone(backbone: str, windows: Path, texts: Iterable[str], settings: Windows) -> str:
    """Returns the same as `find_backbone`, and writes the folder if it does not exist yet.

    Args:
        backbone: The contender's backbone.
        windows: The output folder of featurize.
        texts: Questions of the train split and no other, and each of its contexts once, however
            many questions it has. They are iterated more than once.
        settings: The contender's settings for windows.
    """
    place = find_backbone(backbone, windows, settings)
    if place != backbone and not (Path(place) / MARKER).is_file():
        write_backbone(Path(place), texts, read_kind(backbone), settings.max_length)
    return place


def write_backbone(folder: Path, texts: Iterable[str], kind: str, max_length: int) -> None:
    """Writes config.json and the tokenizer of a compact BERT, then the marker.

    Args:
        folder: The folder to write; it may exist.
        texts: Questions and contexts of the train split. They are iterated more than once.
        kind: The kind of vocabulary, a key of VOCABULARY_SIZES.
        max_length: The most tokens of a window.
    """
    from transformers import BertConfig, PreTrainedTokenizerFast

    tokenizer = train_tokenizer(texts, kind)
    wrap: Any = PreTrainedTokenizerFast  # transformers gives it no type
    folder.mkdir(parents=True, exist_ok=True)
    names = dict(zip(("pad", "unk", "cls", "sep", "mask"), SPECIALS, strict=True))
    wrap(
        tokenizer_object=tokenizer,
        model_max_length=max_length,
        **{f"{name}_token": token for name, token in names.items()},
    ).save_pretrained(folder)
    positions = -(-max_length // POSITION_MULTIPLE) * POSITION_MULTIPLE
    size = tokenizer.get_vocab_size()
    network: dict[str, Any] = {**NETWORK, "vocab_size": size, "max_position_embeddings": positions}
    BertConfig(**network, pad_token_id=SPECIALS.index("[PAD]")).save_pretrained(folder)
    about = {"kind": kind, "vocabulary": size, "max_length": max_length}
    write_json(
        folder / MARKER, about, schema="scratch/1", made_from=digest(kind, tokenizer.to_str())
    )


def train_tokenizer(texts: Iterable[str], kind: str) -> "Tokenizer":
    """Trains a lower-casing tokenizer with BERT's layout; the same texts give the same tokenizer.

    Blanks and punctuation separate words, and accents are dropped. `words` gives each frequent word
    a token. `wordpiece` cuts words into trained pieces. Anything else becomes [UNK].

    Args:
        texts: Questions and contexts of the train split. They are iterated more than once.
        kind: A key of VOCABULARY_SIZES.
    """
    from tokenizers import models, processors, trainers

    if kind == "words":
        vocabulary = _count_words(texts, VOCABULARY_SIZES[kind], MIN_COUNT)
        tokenizer = _bare(models.WordLevel(vocabulary, unk_token="[UNK]"))
    else:
        words = _count_words(texts, 1_000_000_000, 0).keys() - set(SPECIALS)
        letters = sorted({letter for word in words for letter in word})
        # Punctuation and Chinese characters are words of their own, so they get no "##".
        letters += sorted({f"##{letter}" for word in words if word[1:] for letter in word})
        trained = _bare(models.WordPiece(unk_token="[UNK]"))
        # The trainer numbers letters in the order of a hash map, which differs in each process, and
        # breaks ties by number. Letters that are given as special tokens have fixed numbers. For
        # the tokenizer below, they are plain tokens.
        trainer = trainers.WordPieceTrainer(
            vocab_size=VOCABULARY_SIZES[kind],
            min_frequency=MIN_COUNT,
            special_tokens=[*SPECIALS, *letters],
            show_progress=False,
        )
        trained.train_from_iterator(texts, trainer)
        tokenizer = _bare(models.WordPiece(trained.get_vocab(), unk_token="[UNK]"))
    tokenizer.add_special_tokens(list(SPECIALS))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, SPECIALS.index(token)) for token in ("[CLS]", "[SEP]")],
    )
    return tokenizer


def is_weightless(folder: Path) -> bool:
    """Whether a backbone's folder has the marker of this module and no weights."""
    weights = [path for ending in ("safetensors", "bin") for path in folder.glob(f"*.{ending}")]
    return (folder / MARKER).is_file() and not weights


def _count_words(texts: Iterable[str], size: int, min_count: int) -> dict[str, int]:
    """Returns the number of each token: special tokens first, then words from the most frequent.

    Words that are equally frequent are in alphabetical order.
    """
    from tokenizers import models, trainers

    counting = _bare(models.WordLevel(unk_token="[UNK]"))
    trainer = trainers.WordLevelTrainer(
        vocab_size=size,
        min_frequency=min_count,
        special_tokens=list(SPECIALS),
        show_progress=False,
    )
    counting.train_from_iterator(texts, trainer)
    return dict(counting.get_vocab())


def _bare(model: Any) -> "Tokenizer":
    """Returns a tokenizer that splits text as BERT does and has no special tokens yet."""
    from tokenizers import Tokenizer, normalizers, pre_tokenizers

    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer
