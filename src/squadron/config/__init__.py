"""What a race is made of: one frozen dataclass per step and one `Experiment` that holds them.

Owns the defaults (they stand here and nowhere else) and strict loading: an experiment file states
only what differs, and anything that can't be right is refused with the path of the bad value and
the nearest valid name. Does not know variants, files' contents or servers.
"""

import dataclasses
import difflib
import hashlib
import json
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from squadron.config.parsing import parse_yaml
from squadron.errors import InputError

SPLITS = ("train", "tune", "select", "test")
ANSWER_RULES = ("window", "lowest_null")

T = TypeVar("T")


def _require(condition: bool, name: str, value: object, allowed: str) -> None:
    """Refuses one value; the loader puts the path of the section in front."""
    if not condition:
        raise InputError(f"{name}: {value!r} is not allowed; {allowed}")


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
            _require(ok, name, value, "give a share from 0 to below 1, or a whole number of titles")
        shares = sum(v for v in (self.tune, self.select, self.test) if v < 1)
        _require(shares < 1, "tune + select + test", shares, "the shares must leave room for train")


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
        _require(bool(self.train), "train", list(self.train), "name at least one file")
        _require(all(self.train), "train", list(self.train), "an empty path names no file")
        for name in ("test", "train_only"):
            given = list(getattr(self, name))
            _require(all(given), name, given, "an empty path names no file")
        choices = ("title", "question")
        _require(self.split_by in choices, "split_by", self.split_by, f"one of {choices}")
        for split in SPLITS:
            name = f"max_{split}_examples"
            _require(getattr(self, name) >= 0, name, getattr(self, name), "0 (all) or more")
        for name in ("max_rejected_share", "max_shared_share"):
            share = getattr(self, name)
            _require(0 <= share <= 1, name, share, "give a share from 0 to 1")

    @property
    def files(self) -> tuple[str, ...]:
        """Every location that the ingest step reads."""
        return (*self.train, *self.train_only, *self.test)


@dataclass(frozen=True)
class Windows:
    """The featurize step: how a context is cut into overlapping windows."""

    max_length: int = 384
    """Tokens of one window, question and special tokens included."""
    stride: int = 128
    """Context tokens shared by two neighbouring windows (not the step between them)."""
    max_question_length: int = 64
    """Tokens kept of a question; longer ones are cut, kept and counted."""

    def __post_init__(self) -> None:
        _require(self.max_length >= 16, "max_length", self.max_length, "16 or more")
        _require(self.stride >= 0, "stride", self.stride, "0 or more")
        _require(
            self.max_question_length >= 1,
            "max_question_length",
            self.max_question_length,
            "1 or more",
        )
        # The least room a context has: all but the longest question and (at most) four specials.
        room = self.max_length - self.max_question_length - 4
        _require(
            self.stride < room,
            "stride",
            self.stride,
            f"it must be below max_length - max_question_length - 4 specials = {room}, "
            "or windows would not advance",
        )


@dataclass(frozen=True)
class Train:
    """The train step: the one loop that every variant shares."""

    epochs: int = 2
    learning_rate: float = 2e-4
    """Peak rate of AdamW, after the warm-up."""
    batch_size: int = 16
    """Windows per forward pass and device."""
    gradient_accumulation: int = 1
    """Forward passes per optimizer step."""
    warmup_share: float = 0.1
    """Share of all optimizer steps with a rising learning rate; then linear decay to 0."""
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    monitor: str = "exact_match"
    """What makes an epoch the best, on tune: exact_match (then F1, then F1 of the best answers to
    the answerable questions, threshold or not), or eval_loss (the mean loss of its windows). The
    best epoch is kept, and early stopping waits for a better one. epoch: the last one is kept, for
    where tune is too small to tell epochs apart."""
    patience: int = 0
    """Stop after this many epochs without a better one; 0 never stops early."""
    precision: str = "auto"
    """auto (bf16 autocast where the processor has it), bf16 or fp32."""
    checkpoint_minutes: float = 10.0
    """Minutes between checkpoints inside an epoch; every epoch ends with one."""
    max_examples: int = 0
    """Questions of train that this contender is trained on, the first ones; 0 for all."""
    max_negative_windows: int = 0
    """Windows without the answer that train per question, drawn once; 0 keeps all. All windows are
    predicted."""
    seed: int = 13

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "gradient_accumulation"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        for name in (
            "weight_decay",
            "patience",
            "checkpoint_minutes",
            "max_examples",
            "max_negative_windows",
            "seed",
        ):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        for name in ("learning_rate", "max_grad_norm"):
            _require(getattr(self, name) > 0, name, getattr(self, name), "above 0")
        _require(0 <= self.warmup_share < 1, "warmup_share", self.warmup_share, "0 to below 1")
        monitors = ("exact_match", "eval_loss", "epoch")
        _require(self.monitor in monitors, "monitor", self.monitor, f"one of {monitors}")
        choices = ("auto", "bf16", "fp32")
        _require(self.precision in choices, "precision", self.precision, f"one of {choices}")


@dataclass(frozen=True)
class Predict:
    """The predict step: how candidates are drawn from a window's scores."""

    n_best: int = 20
    """Candidates kept per window, drawn from as many best starts and ends."""
    max_answer_tokens: int = 30
    """The longest answer; 0 chooses it to hold 95 % of the answers of the train split."""
    batch_size: int = 64
    """Windows per forward pass."""
    precision: str = "fp32"
    """fp32 by default: answers then do not depend on how windows were batched (or served)."""
    train_questions: int = 0
    """So many questions of those trained on, the first ones, are judged too and reported as
    `train`, with the null threshold that is best there; the table shows F1 on the answerable ones
    without a threshold. Shows that training works where select is too small to tell; never selected
    on."""

    def __post_init__(self) -> None:
        _require(self.train_questions >= 0, "train_questions", self.train_questions, "0 or more")
        for name in ("n_best", "batch_size"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "1 or more")
        longest = self.max_answer_tokens
        _require(longest >= 0, "max_answer_tokens", longest, "0 (chosen by the data) or more")
        choices = ("auto", "bf16", "fp32")
        _require(self.precision in choices, "precision", self.precision, f"one of {choices}")


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
            _require(all(map(str.strip, given)), name, given, "an empty text names nothing")
            allowed = f"`nothing` leaves no room for {name}; give one or the other"
            _require(not (self.nothing and given), name, given, allowed)


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
        _require(ok, "label", self.label, allowed)
        _require(bool(self.backbone), "backbone", self.backbone, "name a model")


@dataclass(frozen=True)
class Evaluate:
    """The evaluate step: what is measured beside EM and F1."""

    bertscore: bool = False
    """BERTScore of the answers to select and test, by the offline encoder, at the price of passing
    all different answers through it. Reported only."""
    answer_rule: str = "window"
    """What a span must beat to be the answer: `window`, the no-answer score of its own window; or
    `lowest_null`, the lowest of all windows of the question, as in the literature. Stored with the
    registered model, which serves by it. The epochs of training are judged by `window`
    (docs/decisions/answer-rule.md)."""

    def __post_init__(self) -> None:
        choices = ANSWER_RULES
        _require(self.answer_rule in choices, "answer_rule", self.answer_rule, f"one of {choices}")


@dataclass(frozen=True)
class Register:
    """The register step: what the winner must show and where it goes."""

    model_name: str = ""
    """Name in the MLflow registry; `squadron-<experiment>` unless given."""
    demo: bool = False
    """A data set too small to rank on: the winner is registered even below the gate, and its
    version says `validation_status=demo`."""


@dataclass(frozen=True)
class Resources:
    """What the steps ask of a cluster. A local run ignores it.

    Requests equal limits, and torch gets as many threads as its container has cores.
    """

    gpu_count: int = 1
    """GPUs of predict, and of train for a contender that trains; 0 for none. Training uses one GPU,
    so more than one is refused."""
    gpu_type: str = "nvidia.com/gpu"
    """The name by which the cluster's nodes offer their GPUs."""
    cpu: str = "4"
    """Cores of train and predict, as Kubernetes writes them: 4, 0.5 or 500m."""
    memory: str = "16Gi"
    """Memory of train and predict, as Kubernetes writes it; a step that needs more is stopped."""
    step_cpu: str = "2"
    """Cores of every other step."""
    step_memory: str = "8Gi"
    """Memory of every other step."""
    node_selector: dict[str, str] = field(default_factory=dict)
    """Labels of the nodes that train and predict may run on; any node if empty."""
    tolerations: tuple[str, ...] = ("nvidia.com/gpu",)
    """Taint keys that train and predict tolerate (operator Exists, effect NoSchedule), where they
    ask for a GPU."""
    checkpoint_claim: str = ""
    """A PersistentVolumeClaim for checkpoints, so that a retried train step goes on; none if ""."""
    image_pull_secret: str = ""
    """The Secret with the password of the image's registry; none if "". Not needed where the
    service account names it."""

    def __post_init__(self) -> None:
        allowed = "0 (none) or 1; training uses one GPU"
        _require(self.gpu_count in (0, 1), "gpu_count", self.gpu_count, allowed)


@dataclass(frozen=True)
class Experiment:
    """Everything a race needs, with every default filled in."""

    name: str
    data: Data
    contenders: tuple[Contender, ...]
    evaluate: Evaluate = field(default_factory=Evaluate)
    register: Register = field(default_factory=Register)
    resources: Resources = field(default_factory=Resources)
    results: str = ""
    """A folder or s3:// prefix that gets each contender's model, answers and metrics; none if empty
    (they are in MLflow and in the pipeline's own outputs all the same)."""
    attempt: str = ""
    """Anything; a new value makes an equal experiment a new race instead of a continued one."""

    def __post_init__(self) -> None:
        ok = self.name.isascii() and all(c.isalnum() or c in "-_" for c in self.name) and self.name
        _require(bool(ok), "name", self.name, "letters, digits, '-' and '_' only")
        _require(bool(self.contenders), "contenders", [], "name at least one")
        labels = [contender.label for contender in self.contenders]
        twice = sorted({label for label in labels if labels.count(label) > 1})
        _require(not twice, "contenders", twice, "give each contender its own label")
        for number, contender in enumerate(self.contenders, start=1):
            titles = list(contender.trained_on.titles)
            _require(
                self.data.split_by == "title" or not titles,
                f"contenders -> {number} -> trained_on -> titles",
                titles,
                "with data -> split_by: question only `files` tell which questions were seen",
            )
        if not self.register.model_name:
            register = dataclasses.replace(self.register, model_name=f"squadron-{self.name}")
            object.__setattr__(self, "register", register)


def load_experiment(path: Path, overrides: tuple[str, ...] = (), profile: str = "") -> Experiment:
    """Reads an experiment file.

    Args:
        path: A YAML file; the file's stem is the name unless it gives one.
        overrides: `section.key=value` strings, the value in YAML; they win over file and profile.
        profile: A key of the file's `profiles`, whose settings are merged over the file; a list
            such as `contenders` replaces the file's.

    Raises:
        InputError: With the path of the bad value and what is allowed.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        known = ", ".join(sorted(str(p) for p in Path("experiments").glob("*.yaml")))
        raise InputError(
            f"The experiment file {path} does not exist; there are: {known or 'none'}"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: no UTF-8, or a name that no file can have
        raise InputError(f"The experiment file {str(path)!r} can't be read: {error}") from None
    try:
        raw = parse_yaml(text)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date or number that is none
        problem = " ".join(str(error).split())
        raise InputError(f"The experiment file {path} is not valid YAML: {problem}") from None
    if not isinstance(raw, dict):
        raise InputError(
            f"The experiment file {path} holds {_kind(raw)}; a mapping such as 'data:' is needed"
        )
    raw.setdefault("name", path.stem)
    try:
        profiles = _take_profiles(raw)
        if profile and profile not in profiles:
            raise InputError(
                f"{profile!r} is not a profile; there are: {', '.join(profiles) or 'none'}"
            )
        chosen = _merge(raw, profiles[profile]) if profile else raw
        _check_profiles(raw, profiles)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    for override in overrides:
        _apply_override(chosen, override)
    try:
        return build_experiment(chosen)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _take_profiles(raw: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Takes `profiles` out of a file: name -> what it lays over the file."""
    profiles = raw.pop("profiles", None) or {}
    if not isinstance(profiles, dict):
        raise InputError(f"profiles: {profiles!r} is {_kind(profiles)}; a mapping is needed")
    for name, content in profiles.items():
        if not (content is None or isinstance(content, dict)):
            raise InputError(
                f"profiles -> {name}: {content!r} is {_kind(content)}; a mapping is needed"
            )
    return {str(name): content or {} for name, content in profiles.items()}


def _check_profiles(raw: dict[str, Any], profiles: dict[str, dict[str, Any]]) -> None:
    """Builds every profile, so that a slip is found before its profile is needed."""
    try:
        build_experiment(raw)
    except InputError:
        return  # the file is wrong or needs an override: nothing can be said of its profiles
    for name, content in profiles.items():
        try:
            build_experiment(_merge(raw, content))
        except InputError as error:
            raise InputError(f"profiles -> {name} -> {error}") from None


def build_experiment(raw: Mapping[str, Any]) -> Experiment:
    """Builds an Experiment from plain mappings.

    The sections backbone, trained_on, windows, train and predict stand at the top as defaults for
    every contender; a contender may differ in any of them.
    """
    top = dict(raw)
    names = ("backbone", "trained_on", "windows", "train", "predict")
    shared: dict[str, Any] = {name: top.pop(name) for name in names if name in top}
    known = [f.name for f in dataclasses.fields(Experiment)]
    for key in top:
        if key not in known:
            raise InputError(_unknown("", str(key), [*known, *names, "profiles"], top[key]))
    contenders = top.get("contenders")
    if not isinstance(contenders, list) or not contenders:
        raise InputError(f"contenders: {contenders!r} is not allowed; list at least one variant")
    mappings: list[dict[str, Any]] = []
    for number, contender in enumerate(contenders, start=1):
        if isinstance(contender, str):
            contender = {"variant": contender}
        if not isinstance(contender, dict):
            raise InputError(
                f"contenders -> {number}: {contender!r} is not allowed; "
                "give a variant's name or a mapping with 'variant:'"
            )
        mappings.append(contender)
    hints = typing.get_type_hints(Contender)
    for name, value in shared.items():
        # Where a contender takes it as it is, a bad value is named where it stands in the file.
        if any(name not in contender for contender in mappings):
            _convert(hints[name], value, name)
    mappings = [
        each
        for number, contender in enumerate(mappings, start=1)
        for each in _expand_seeds(contender, f"contenders -> {number}")
    ]
    top["contenders"] = [
        _merge(_defaults_for(contender, shared), contender) for contender in mappings
    ]
    return from_mapping(Experiment, top)


def _defaults_for(contender: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """The defaults of one contender: `trained_on` is about the backbone that stands beside it."""
    left_out = (
        {"trained_on"} & shared.keys() if {"backbone", "trained_on"} & {*contender} else set()
    )
    return {name: value for name, value in shared.items() if name not in left_out}


def _expand_seeds(contender: dict[str, Any], path: str) -> list[dict[str, Any]]:
    """One contender per seed of `seeds`, each with a label of its own."""
    if "seeds" not in contender:
        return [contender]
    rest = dict(contender)
    seeds = rest.pop("seeds")
    is_list = isinstance(seeds, list) and bool(seeds)
    if not is_list or not all(type(seed) is int and seed >= 0 for seed in seeds):
        raise InputError(
            f"{path} -> seeds: {seeds!r} is not allowed; list whole numbers, 0 or more"
        )
    if len(set(seeds)) < len(seeds):
        raise InputError(f"{path} -> seeds: {seeds!r} is not allowed; name each seed once")
    group = str(rest.get("label") or rest.get("variant") or "")
    return [
        _merge(rest, {"label": f"{group}-seed{seed}", "group": group, "train": {"seed": seed}})
        for seed in seeds
    ]


def from_mapping(cls: type[T], raw: Mapping[str, Any], path: str = "") -> T:
    """Builds a dataclass from a mapping, strictly.

    Args:
        cls: A dataclass of this module (or a variant's options).
        raw: Plain values as YAML or JSON give them.
        path: Where the mapping stands, such as "contenders -> 1 -> train"; for messages.

    Raises:
        InputError: On an unknown key, a wrong type or an impossible value.
    """
    if not isinstance(raw, Mapping):
        raise InputError(f"{path or cls.__name__}: {raw!r} is not allowed; a mapping is needed")
    hints = typing.get_type_hints(cls)
    names = [f.name for f in dataclasses.fields(cls)]  # type: ignore[arg-type]
    values = {}
    for key, value in raw.items():
        if key not in names:
            listed = [*names, "seeds"] if cls is Contender else names
            raise InputError(_unknown(path, str(key), listed, value))
        values[key] = _convert(hints[key], value, _join(path, key))
    required = [
        f.name
        for f in dataclasses.fields(cls)  # type: ignore[arg-type]
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    for name in required:
        if name not in values:
            raise InputError(f"{_join(path, name)} is missing; it has no default")
    try:
        return cls(**values)
    except InputError as error:
        raise InputError(_join(path, str(error))) from None


def to_json(section: Any) -> str:
    """One section as the one JSON string that a component receives; equal sections, equal text."""
    return json.dumps(dataclasses.asdict(section), sort_keys=True, ensure_ascii=True)


def from_json(cls: type[T], text: str) -> T:
    """The inverse of `to_json`."""
    return from_mapping(cls, json.loads(text))


def digest(*parts: str) -> str:
    """Sixteen hex digits that change when any part changes; used in keys, never for security."""
    return hashlib.sha256("\0".join(parts).encode("utf-8")).hexdigest()[:16]


def _convert(hint: Any, value: Any, path: str) -> Any:
    """Checks one value against its annotation; ints pass as floats, nothing else is coerced."""
    origin = typing.get_origin(hint)
    if value is None and (dataclasses.is_dataclass(hint) or origin is dict):
        value = {}  # YAML reads a section whose lines are all commented out as nothing
    if hint is TrainedOn and value == "nothing":
        value = {"nothing": True}
    if dataclasses.is_dataclass(hint):
        return from_mapping(hint, value, path)  # type: ignore[arg-type]
    if origin is tuple:
        item = typing.get_args(hint)[0]
        if isinstance(value, str) and item is str:
            value = [value]
        if not isinstance(value, list | tuple):
            raise InputError(f"{path}: {value!r} is {_kind(value)}; a list is needed")
        return tuple(
            _convert(item, entry, f"{path} -> {number}") for number, entry in enumerate(value, 1)
        )
    if origin is dict:
        if not isinstance(value, dict):
            raise InputError(f"{path}: {value!r} is {_kind(value)}; a mapping is needed")
        return {
            str(key): _convert(typing.get_args(hint)[1], entry, _join(path, str(key)))
            for key, entry in value.items()
        }
    if origin in (typing.Union, types.UnionType) or hint is Any:
        return value
    if hint is float:
        # YAML 1.1 reads "2e-4" as text; a number is what everyone means.
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise InputError(f"{path}: {value!r} is {_kind(value)}; a number is needed")
        try:
            number = float(value)
        except ValueError:
            raise InputError(f"{path}: {value!r} is text; a number is needed") from None
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise InputError(f"{path}: {value!r} is not allowed; a finite number is needed")
        return number + 0.0  # -0.0 becomes 0.0: equal settings have equal text
    if hint is int:
        if isinstance(value, bool) or not isinstance(value, int):
            more = _hint_at_seeds(path) if isinstance(value, list) else ""
            raise InputError(f"{path}: {value!r} is {_kind(value)}; a whole number is needed{more}")
        if not -(2**63) <= value < 2**63:
            raise InputError(f"{path}: {value!r} is not allowed; a number of 64 bits is needed")
        return value
    if not isinstance(value, hint):
        raise InputError(f"{path}: {value!r} is {_kind(value)}; {_NEEDED[hint]} is needed")
    return value


_NEEDED = {str: "text", bool: "true or false"}


def _kind(value: object) -> str:
    names = {
        type(None): "nothing",
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "text",
        list: "a list",
        dict: "a mapping",
    }
    return names.get(type(value), type(value).__name__)


def _join(path: str, name: str) -> str:
    return f"{path} -> {name}" if path else name


def _unknown(path: str, key: str, names: list[str], value: object) -> str:
    """What is wrong with a name that is no setting, and where the setting may belong."""
    problem = f"{_join(path, key)} is not a setting; "
    if key in ("seed", "seeds") and isinstance(value, list):
        single = " or ".join(map(repr, _find_places("seed", 0, path)))
        return f"{problem}one whole number is {single}{_SEVERAL_SEEDS}"
    places = _find_places(key, value, path)
    near = difflib.get_close_matches(key, names, n=1)
    meant = places or near
    hint = f"did you mean {' or '.join(map(repr, meant))}? " if meant else ""
    return f"{problem}{hint}known: {', '.join(sorted(names))}"


_SEVERAL_SEEDS = (
    "; for several, list `seeds` in a contender, such as {variant: span, seeds: [1, 2]}"
)


def _hint_at_seeds(path: str) -> str:
    """Where several seeds belong, for a list in the place of one."""
    if path == "data -> seed":
        return "; for several, run one experiment for each"
    return _SEVERAL_SEEDS if path.endswith("train -> seed") else ""


def _find_places(key: str, value: object, path: str) -> list[str]:
    """The other settings of that name that could have that value, as `--set` names them.

    Args:
        key: The name.
        value: What it was given.
        path: Where it was found. What is about one contender belongs to a contender's sections.
    """
    everywhere = _list_settings(Experiment)
    own = [f"{name}." for name in ("windows", "train", "predict")]
    found = [place for place in everywhere if place.rpartition(".")[2] == key]
    if path.startswith("contenders"):
        found = [place for place in found if place.startswith(tuple(own))] or found
    return [place for place in found if _can_be(everywhere[place], value)]


def _can_be(hint: Any, value: object) -> bool:
    try:
        _convert(hint, value, "")
    except InputError:
        return False
    return True


def _list_settings(cls: type[Any], prefix: str = "") -> dict[str, Any]:
    """All settings with their types, as `--set` names them: "train.epochs", "contenders.1.label".

    Those of a declaration (`TrainedOn`) are left out: their names are usual words, such as `files`.
    """
    settings: dict[str, Any] = {}
    for name, hint in typing.get_type_hints(cls).items():
        if typing.get_args(hint)[:1] == (Contender,):
            # Its sections stand at the top as well, as defaults of all contenders.
            inner = _list_settings(Contender)
            for place, kind in inner.items():
                settings[place if "." in place else f"{name}.1.{place}"] = kind
        elif hint is TrainedOn:
            continue
        elif dataclasses.is_dataclass(hint):
            settings |= _list_settings(typing.cast(type[Any], hint), f"{prefix}{name}.")
        else:
            settings[f"{prefix}{name}"] = hint
    return settings


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings merged; what `over` says wins."""
    merged = dict(base)
    for key, value in over.items():
        if isinstance(merged.get(key), Mapping) and (value is None or isinstance(value, Mapping)):
            merged[key] = _merge(merged[key], value or {})  # an empty section says nothing
        else:
            merged[key] = value
    return merged


def _apply_override(raw: dict[str, Any], override: str) -> None:
    """Sets `a.b.c=value` in place; list items are reached by their number, from 1."""
    import yaml

    path, equals, text = override.partition("=")
    if not equals or not path:
        raise InputError(f"The override {override!r} is not of the form section.key=value")
    try:
        value = parse_yaml(text)
    except yaml.YAMLError:
        raise InputError(f"The override {override!r} has a value that is not valid YAML") from None
    except ValueError as error:
        raise InputError(
            f"The override {override!r} has a value that is not valid YAML: {error}"
        ) from None
    *parents, last = path.split(".")
    here: Any = raw
    for parent in parents:
        if isinstance(here, list) and parent.isdigit() and 1 <= int(parent) <= len(here):
            if isinstance(here[int(parent) - 1], str):
                here[int(parent) - 1] = {"variant": here[int(parent) - 1]}
            here = here[int(parent) - 1]
        elif isinstance(here, dict):
            if here.get(parent) is None:
                here[parent] = {}
            here = here[parent]
        else:
            raise InputError(f"The override {override!r} leads nowhere: {parent!r} is no section")
    if not isinstance(here, dict):
        raise InputError(f"The override {override!r} leads nowhere: its parent is {_kind(here)}")
    here[last] = value
