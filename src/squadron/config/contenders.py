"""What takes part in a race: a contender, and what its backbone was trained on."""

from dataclasses import dataclass, field
from typing import Any

from squadron.config.checks import require
from squadron.config.prediction import Predict
from squadron.config.training import Train
from squadron.config.windows import Windows


@dataclass(frozen=True)
class TrainedOn:
    """What the backbone was trained on, as far as the experiment's author knows.

    For models of elsewhere that have a QA head: their training data is unknown here. Give `nothing`
    alone, or `files` and `titles`. In an experiment, `trained_on: nothing` is short for
    `trained_on: {nothing: true}`. What a model's own record says counts besides.
    """

    nothing: bool = False
    """It has seen no title and no question of these data."""
    files: tuple[str, ...] = ()
    """Files (paths or s3://bucket/key): it was trained on all of their titles and questions."""
    titles: tuple[str, ...] = ()
    """It was trained on all questions of these titles, and of no others except those of `files`."""
    source: str = "squad"
    """A file of `sources/`: how `files` are read."""

    def __post_init__(self) -> None:
        for name in ("files", "titles"):
            given = list(getattr(self, name))
            require(all(map(str.strip, given)), name, given, "an empty text names nothing")
            allowed = f"`nothing` leaves no room for {name}; give one or the other"
            require(not (self.nothing and given), name, given, allowed)


@dataclass(frozen=True)
class Contender:
    """One runner of the race: a variant, its options, and its sections in full."""

    variant: str
    """A file of `variants/`."""
    label: str = ""
    """Its name in tables and MLflow; the variant's name unless given."""
    backbone: str = "all-MiniLM-L6-v2"
    """The offline default, a hub name, a local folder, an s3:// prefix, or `scratch`: a compact
    BERT from nothing whose vocabulary comes from the train split, whole words (`scratch:words`, the
    same) or pieces (`scratch:wordpiece`), or a registered model: models:/NAME/VERSION or
    models:/NAME@ALIAS."""
    options: dict[str, Any] = field(default_factory=dict)
    """What the variant itself can be told; checked against its own dataclass."""
    windows: Windows = field(default_factory=Windows)
    train: Train = field(default_factory=Train)
    predict: Predict = field(default_factory=Predict)
    group: str = ""
    """What contenders that differ in their seed alone have in common; set by `seeds`, a list in the
    experiment file that makes one contender per seed."""
    trained_on: TrainedOn = field(default_factory=TrainedOn)
    """What the backbone was trained on, where it has no record of its own."""

    def __post_init__(self) -> None:
        if not self.label:
            object.__setattr__(self, "label", self.variant)
        allowed = "letters, digits, '-', '_' and '.' only, at most 60, as it names files and runs"
        ok = 0 < len(self.label) <= 60 and all(c.isalnum() or c in "-_." for c in self.label)
        ok = ok and self.label.isascii() and self.label[0].isalnum()
        require(ok, "label", self.label, allowed)
        require(bool(self.backbone), "backbone", self.backbone, "name a model")
