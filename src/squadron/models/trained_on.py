"""Records what a model was trained on, and refuses contenders that have seen what judges them.

The record is `trained_on.json` in a model folder. It holds two kinds of keys:

- titles, because questions of one title share facts and often a paragraph. An example without a
  title has the digest of its context instead. Titles count if the data are split by title;
- questions, as digests of their ids and texts. They always count.

A model that is trained from another one continues the other's record. The training data of external
models with a QA head is unknown, unless the experiment declares it (config.TrainedOn).
"""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from squadron import artifacts
from squadron.artifacts import MODEL_ABOUT, read_contexts
from squadron.config import TrainedOn, digest
from squadron.data import locations
from squadron.data.folding import fold_text
from squadron.errors import InputError
from squadron.models import backbones

if TYPE_CHECKING:
    import pyarrow as pa

FILE = "trained_on.json"


@dataclass(frozen=True)
class _Content:
    """The content of trained_on.json."""

    SCHEMA: ClassVar[str] = "trained_on/1"

    made_from: str
    is_whole: bool
    titles: tuple[str, ...]
    """Sorted, like the questions, so that equal records give equal bytes."""
    questions: tuple[str, ...]
    declared: tuple[str, ...] = ()


@dataclass(frozen=True)
class Record:
    """What a model was trained on, and what the models that it was trained from were trained on."""

    titles: frozenset[str] = frozenset()
    questions: frozenset[str] = frozenset()
    """Digests of the questions."""
    is_whole: bool = True
    """False if the training data of one of these models is unknown."""
    declared: tuple[str, ...] = ()
    """What experiments declared about these models, in words; it has not been checked."""

    @property
    def standing(self) -> str:
        """The record in words, for tables, cards and tags: "unknown", "known" or as declared."""
        if not self.is_whole:
            return UNKNOWN_STANDING
        return f"as declared: {'; '.join(self.declared)}" if self.declared else "known"


UNKNOWN = Record(is_whole=False)
UNKNOWN_STANDING = "unknown"


def read_record(backbone: str, declared: TrainedOn | None = None) -> Record:
    """Reads what a backbone was trained on.

    Args:
        backbone: As `backbones.locate` takes it.
        declared: What the experiment declares about it, which makes an unknown record a known one.

    Returns:
        The record in its folder. Without one: an empty record for a plain encoder, and an unknown
        record for an external model with a QA head or a model folder that has no record.

    Raises:
        InputError: If the backbone or a declared file can't be found or read.
    """
    folder = Path(backbones.locate(backbone))
    if (folder / FILE).is_file():
        record = _read_file(folder / FILE)
    elif (folder / MODEL_ABOUT).is_file() or backbones.has_answer_head(backbone):
        record = UNKNOWN
    else:
        record = Record()
    if declared and (
        declared.files or declared.titles or (declared.nothing and not record.is_whole)
    ):
        return _declare(record, backbone, declared)
    return record


def _read_file(path: Path) -> Record:
    """Reads `trained_on.json`."""
    content = artifacts.read_record(_Content, path)
    return Record(
        frozenset(content.titles),
        frozenset(content.questions),
        content.is_whole,
        content.declared,
    )


def _declare(record: Record, backbone: str, declared: TrainedOn) -> Record:
    """Returns a record with what the experiment declares added to it."""
    titles, questions = set(record.titles) | {*declared.titles}, set(record.questions)
    with tempfile.TemporaryDirectory() as temporary:
        for number, location in enumerate(declared.files):
            folder = Path(temporary) / str(number)
            for example in locations.read_location(declared.source, location, folder):
                title, question = _key(example.id, example.title, example.context, example.question)
                titles.add(title)
                questions.add(question)
    words = [*declared.files]
    words += [f"{len(declared.titles)} titles"] if declared.titles else []
    says = f"{backbone} on {', '.join(words) or 'nothing of the data of its race'}"
    said = (*record.declared, *([] if says in record.declared else [says]))
    return Record(frozenset(titles), frozenset(questions), True, said)


@dataclass(frozen=True)
class Seen:
    """Which of some examples a model has seen in training."""

    titles: tuple[str, ...]
    """Titles of the examples that the model was trained on, sorted. A context without a title
    counts by its digest."""
    all_titles: int
    """How many titles the examples have."""
    questions_of_titles: int
    """How many of the examples have one of the titles that the model was trained on."""
    questions: int
    """How many of the examples the model was trained on."""
    all_questions: int
    """How many examples there are."""
    is_whole: bool
    """False if the training data of the model, or of one that it was trained from, is unknown."""


def find_seen(record: Record, examples: "pa.Table") -> Seen:
    """Returns which of some examples a model with this record has seen in training.

    Args:
        record: The model's record.
        examples: A table of schema `artifacts.EXAMPLES`.
    """
    known = {fold_text(title) for title in record.titles}
    keys = list(_keys(examples).values())
    titles = [title for title, _ in keys if fold_text(title) in known]
    return Seen(
        tuple(sorted(set(titles))),
        len({title for title, _ in keys}),
        len(titles),
        sum(question in record.questions for _, question in keys),
        len(keys),
        record.is_whole,
    )


def extend_record(before: Record, examples: "pa.Table", example_ids: Iterable[str]) -> Record:
    """Returns the record of a model that was trained on some examples.

    Args:
        before: The record of its backbone.
        examples: A table of schema `artifacts.EXAMPLES`.
        example_ids: The ids of the examples that it was trained on; others are ignored.
    """
    wanted = set(example_ids)
    keys = [keys for example_id, keys in _keys(examples).items() if example_id in wanted]
    return replace(
        before,
        titles=before.titles | {title for title, _ in keys},
        questions=before.questions | {question for _, question in keys},
    )


def write_record(folder: Path, record: Record, *, made_from: str) -> None:
    """Writes `trained_on.json`; equal records give equal bytes."""
    content = _Content(
        made_from=made_from,
        is_whole=record.is_whole,
        declared=record.declared,
        titles=tuple(sorted(record.titles)),
        questions=tuple(sorted(record.questions)),
    )
    artifacts.write_record(folder / FILE, content)


class Fairness:
    """Decides which contenders may be judged on the splits of a race.

    Titles and questions that the race itself trains on give no contender an advantage, so they
    never count against one. A test set of its own may share titles with `data -> train`.

    Args:
        train: The train split, of schema `artifacts.EXAMPLES`.
        judged: The splits on which contenders are judged, by name.
        split_by: "title" or "question"; see config.Data.
    """

    def __init__(self, train: "pa.Table", judged: "dict[str, pa.Table]", split_by: str) -> None:
        own = extend_record(Record(), train, train["id"].to_pylist())
        own_titles = {fold_text(title) for title in own.titles}
        self._by_title = split_by == "title"
        # Folded title -> (the title as this race writes it, split).
        self._titles: dict[str, tuple[str, str]] = {}
        # Digest of a question -> (id of its example, split).
        self._questions: dict[str, tuple[str, str]] = {}
        for split, table in judged.items():
            keys = _keys(table)
            for example_id, (title, question) in keys.items():
                if fold_text(title) not in own_titles:
                    self._titles.setdefault(fold_text(title), (title, split))
                if question not in own.questions:
                    self._questions.setdefault(question, (example_id, split))

    def check(self, label: str, backbone: str, record: Record) -> None:
        """Refuses a contender whose backbone was trained on what would judge it.

        Args:
            label: The contender's label.
            backbone: Its backbone, as the experiment names it.
            record: The record of the backbone.

        Raises:
            InputError: With one of the titles or questions, and how many there are.
        """
        seen = {fold_text(title) for title in record.titles} if self._by_title else set()
        titles = sorted(self._titles[title] for title in self._titles.keys() & seen)
        questions = sorted(
            self._questions[key] for key in self._questions.keys() & record.questions
        )
        if titles:
            unit, (found, split) = "title", titles[0]
        elif questions:
            unit, (found, split) = "question", questions[0]
        else:
            return
        others = f" and {len(titles or questions) - 1} more" if len(titles or questions) > 1 else ""
        raise InputError(
            f"The contender {label!r} stands on {backbone!r}, which was trained on the {unit} "
            f"{found!r}{others} of this race's {split} split; only {unit}s that it has not seen "
            "may judge it. Keep the data, splits and seed that it was trained with, or leave the "
            "contender out"
        )


def _keys(examples: "pa.Table") -> dict[str, tuple[str, str]]:
    """Returns the keys of all examples: id -> (key of the title, key of the question)."""
    columns = [examples[name].to_pylist() for name in ("id", "title", "question")]
    rows = zip(*columns, read_contexts(examples), strict=True)
    return {
        example_id: _key(example_id, title, context, question)
        for example_id, title, question, context in rows
    }


def _key(example_id: str, title: str, context: str, question: str) -> tuple[str, str]:
    """Returns the keys of one example: of its title and of its question."""
    # The digest includes the text, because ids in hand-made files are often just numbers.
    return title.strip() or f"context {digest(context)}", digest(example_id, question)
