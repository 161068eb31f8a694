"""The section `data`: where the examples come from and how they are split."""

from dataclasses import dataclass, field

from squadron.config.checks import require

SPLITS = ("train", "tune", "select", "test")


@dataclass(frozen=True)
class Splits:
    """How the titles of `data.train` are shared out, by a hash of each title.

    A value below 1 is a share: a title belongs to the split for ever, however much the data grows.
    A whole number is a count: that many titles, those with the lowest hashes. With `split_by:
    question`, read "question" (its id) for "title".
    """

    tune: float = 0.15
    """Early stopping and the null threshold."""
    select: float = 0.15
    """The choice between contenders and the registration gate."""
    test: float = 0.15
    """Scored once and only reported. Ignored when the data comes with its own test set."""

    def __post_init__(self) -> None:
        for name in ("tune", "select", "test"):
            value = getattr(self, name)
            ok = value >= 0 and (value < 1 or float(value).is_integer())
            require(ok, name, value, "give a share from 0 to below 1, or a whole number of titles")
        shares = sum(v for v in (self.tune, self.select, self.test) if v < 1)
        require(shares < 1, "tune + select + test", shares, "the shares must leave room for train")


@dataclass(frozen=True)
class Data:
    """The ingest step: where the examples come from and how they are split."""

    train: tuple[str, ...] = ()
    """Files (paths or s3://bucket/key) whose titles are split into train, tune, select and test."""
    test: tuple[str, ...] = ()
    """The data's own test set; given, no title of `train` goes to test."""
    train_only: tuple[str, ...] = ()
    """More files, whose titles all train whatever their hashes say. A title that `train` has too
    trains wholly, so `splits` shares out the other titles of `train`."""
    source: str = "squad"
    """A file of `sources/`: how the files are read."""
    splits: Splits = field(default_factory=Splits)
    split_by: str = "title"
    """title: all questions of a title stay together. question: each by itself, for data whose
    questions share their context by design (the source `table`)."""
    seed: int = 13
    """Mixed into the title hash and into the draw of `max_*_examples`."""
    max_train_examples: int = 0
    """Examples (questions), never windows; 0 keeps all. The same for the three below."""
    max_tune_examples: int = 0
    max_select_examples: int = 0
    max_test_examples: int = 0
    max_rejected_share: float = 0.02
    """More rejected examples than this share stop the run."""
    max_shared_share: float = 0.01
    """The run stops if train has more than this share of the paragraphs of tune, select or test;
    with `split_by: question`, of their questions with the same answer. Paragraphs are compared
    without regard to white space, Unicode form and case. Only `data.test` can share any: titles of
    `data.train` that share a paragraph stay in one split (docs/decisions/leakage.md)."""
    licence: str = ""
    """Of the data, as you know it: goes to the model card and the version's tags; empty: not
    known."""

    def __post_init__(self) -> None:
        require(bool(self.train), "train", list(self.train), "name at least one file")
        require(all(self.train), "train", list(self.train), "an empty path names no file")
        for name in ("test", "train_only"):
            given = list(getattr(self, name))
            require(all(given), name, given, "an empty path names no file")
        choices = ("title", "question")
        require(self.split_by in choices, "split_by", self.split_by, f"one of {choices}")
        for split in SPLITS:
            name = f"max_{split}_examples"
            require(getattr(self, name) >= 0, name, getattr(self, name), "0 (all) or more")
        for name in ("max_rejected_share", "max_shared_share"):
            share = getattr(self, name)
            require(0 <= share <= 1, name, share, "give a share from 0 to 1")

    @property
    def files(self) -> tuple[str, ...]:
        """Every location that the ingest step reads."""
        return (*self.train, *self.train_only, *self.test)
