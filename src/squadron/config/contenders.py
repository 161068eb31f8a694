"""What takes part in a race: contenders, and what their backbones were trained on."""

from dataclasses import dataclass, field
from typing import Annotated

from squadron.config.limits import Limit, check_limits, matches, require
from squadron.config.prediction import Predict
from squadron.config.training import Train
from squadron.config.windows import Windows

_TEXTS = Limit("an empty text names nothing", lambda texts: all(map(str.strip, texts)))
_LABEL = matches(
    "[A-Za-z0-9][A-Za-z0-9._-]{0,59}",
    "letters, digits, '-', '_' and '.' only, at most 60, as it names files and runs",
)


@dataclass(frozen=True)
class TrainedOn:
    """What the backbone was trained on, as far as you know.

    Declare it for an external model that has a question-answering head, whose training data
    Squadron cannot know. Give `nothing` alone, or `files` and `titles`. `trained_on: nothing` is
    short for `trained_on: {nothing: true}`. What the model's own record says counts in addition.
    """

    nothing: bool = False
    """The backbone has seen no title and no question of these data."""
    files: Annotated[tuple[str, ...], _TEXTS] = ()
    """Files (paths or `s3://bucket/key`). The backbone was trained on all their titles and
    questions."""
    titles: Annotated[tuple[str, ...], _TEXTS] = ()
    """The backbone was trained on all questions of these titles, and on no other titles except
    those of `files`."""
    source: str = "squad"
    """How `files` are read: the name of a file in `src/squadron/data/sources/`, or `auto`."""

    def __post_init__(self) -> None:
        check_limits(self)
        for name in ("files", "titles"):
            given = list(getattr(self, name))
            allowed = f"`nothing` contradicts {name}; give one or the other"
            require(not (self.nothing and given), name, given, allowed)


@dataclass(frozen=True)
class Contender:
    """One participant of the race: a variant, its options, and its own sections.

    A contender takes `backbone`, `trained_on`, `windows`, `train` and `predict` from the top of the
    file and states only what differs. A variant's name alone is a contender, too.
    """

    variant: str
    """The kind of model: the name of a file in `src/squadron/models/variants/`."""
    label: Annotated[str, _LABEL] = ""
    """The contender's name in tables and in MLflow; the variant's name if empty. Each contender
    needs its own label."""
    backbone: Annotated[str, Limit("name a model", bool, {"minLength": 1})] = "all-MiniLM-L6-v2"
    """The model that is trained: `all-MiniLM-L6-v2` (needs no network), `starter` (that model,
    trained to answer questions), a name on the Hugging Face hub, a local folder, an `s3://` prefix,
    or a registered model, `models:/NAME/VERSION` or `models:/NAME@ALIAS`. `scratch` is a small BERT
    without pretraining whose vocabulary is made from the split train: of whole words
    (`scratch:words`, the same as `scratch`) or of word pieces (`scratch:wordpiece`)."""
    options: dict[str, object] = field(default_factory=dict)
    """The variant's own settings."""
    windows: Windows = field(default_factory=Windows)
    """How contexts are cut into windows."""
    train: Train = field(default_factory=Train)
    """How the model is trained."""
    predict: Predict = field(default_factory=Predict)
    """How candidates are made."""
    group: str = ""
    """The common name of contenders that differ in their seed alone. `seeds` sets it."""
    trained_on: TrainedOn = field(default_factory=TrainedOn)
    """What the backbone was trained on, if it has no record of its own."""

    def __post_init__(self) -> None:
        if not self.label:
            object.__setattr__(self, "label", self.variant)
        check_limits(self)
