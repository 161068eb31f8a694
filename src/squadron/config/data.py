"""The section `data`: where the examples come from and how they are split."""

from dataclasses import dataclass, field
from typing import Annotated

from squadron.config.limits import (
    PATHS,
    SHARE,
    SHARE_OR_COUNT,
    Limit,
    at_least,
    check_limits,
    one_of,
    require,
)
from squadron.config.synthesis import Synthesize

SPLITS = ("train", "tune", "select", "test")

_COUNT = at_least(0, "0 (all) or more")
_FILES = Limit("name at least one file", bool, {"minItems": 1})


@dataclass(frozen=True)
class Splits:
    """How the titles of `data.train` are shared out among the splits, by a hash of each title.

    A value below 1 is a share. A title then stays in its split however much the data grow. A whole
    number is a count: the split gets that many titles, those with the lowest hashes. All other
    titles are in the split train. With `split_by: question`, questions are shared out by a hash of
    their ids, so read "question" for "title".
    """

    tune: Annotated[float, SHARE_OR_COUNT] = 0.15
    """The split for early stopping and for the null threshold."""
    select: Annotated[float, SHARE_OR_COUNT] = 0.15
    """The split that decides between contenders and whether the winner may be registered."""
    test: Annotated[float, SHARE_OR_COUNT] = 0.15
    """The split that is scored once and only reported. It is ignored if `data.test` names files."""

    def __post_init__(self) -> None:
        check_limits(self)
        shares = sum(v for v in (self.tune, self.select, self.test) if v < 1)
        require(shares < 1, "tune + select + test", shares, "the shares must leave room for train")


@dataclass(frozen=True)
class Data:
    """The ingest step: where the examples come from and how they are split."""

    train: Annotated[tuple[str, ...], _FILES, PATHS] = ()
    """Files (paths or `s3://bucket/key`), folders that `save_to_disk` of the library datasets
    wrote, or data sets of the Hugging Face hub (`hf://datasets/NAMESPACE/NAME[@REVISION]` with
    `?split=SPLIT`, and `&config=CONFIG` if there are several). Their titles are split into train,
    tune, select and test."""
    test: Annotated[tuple[str, ...], PATHS] = ()
    """Files of the data's own test set. If it names any, no title of `train` goes to test."""
    train_only: Annotated[tuple[str, ...], PATHS] = ()
    """More files, whose titles are all in the split train. A title that is in `train` as well is
    in the split train with all its questions, and `splits` shares out the other titles of
    `train`."""
    synthesize: Synthesize = field(default_factory=Synthesize)
    """Documents from which rules make more questions for the split train."""
    source: str = "squad"
    """How the files are read: the name of a file in `src/squadron/data/sources/`, or `auto`, with
    which each file is read by the source that recognizes it."""
    splits: Splits = field(default_factory=Splits)
    """How titles are shared out among the splits."""
    split_by: Annotated[str, one_of(("title", "question"))] = "title"
    """`title` keeps all questions of a title in one split. `question` places each question by
    itself, for data whose questions share their context by design (the source `table`)."""
    seed: int = 13
    """Changes which titles go to which split and which examples `max_*_examples` keeps."""
    max_train_examples: Annotated[int, _COUNT] = 0
    """The most examples (questions, not windows) of the split train; 0 keeps all. Synthetic
    questions come on top (`synthesize.max_examples`)."""
    max_tune_examples: Annotated[int, _COUNT] = 0
    """The most examples of the split tune; 0 keeps all."""
    max_select_examples: Annotated[int, _COUNT] = 0
    """The most examples of the split select; 0 keeps all."""
    max_test_examples: Annotated[int, _COUNT] = 0
    """The most examples of the split test; 0 keeps all."""
    max_rejected_share: Annotated[float, SHARE] = 0.02
    """The run stops if more than this share of the examples is rejected."""
    max_shared_share: Annotated[float, SHARE] = 0.01
    """The run stops if more than this share of the paragraphs of tune, select or test is in train
    as well; with `split_by: question`, of their questions with the same answer. Paragraphs are
    compared without regard to white space, Unicode form and case. Only `data.test` can share
    paragraphs, because titles of `data.train` that share a paragraph stay in one split
    (docs/decisions/leakage.md)."""
    licence: str = ""
    """The licence of the data, as you know it; empty if you do not know it. It goes to the model
    card and to the tags of the model version."""

    def __post_init__(self) -> None:
        check_limits(self)

    @property
    def files(self) -> tuple[str, ...]:
        """Every location that the ingest step reads."""
        return (*self.train, *self.train_only, *self.test, *self.synthesize.files)
