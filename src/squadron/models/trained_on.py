"""What a model was trained on, and that nobody is judged on it: `trained_on.json` in model folders.

Owns the record and the two keys. A title (of what has none: the digest of the context), because
questions of one title share facts and often a paragraph; it counts where data are split by title. A
question, as the digest of its id and text; it always counts. A model hands its record on to what is
trained from it. The training data of external models with a QA head is unknown, unless the
experiment declares it (config.TrainedOn).
"""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from squadron import storage
from squadron.artifacts import MODEL_ABOUT, read_contexts, read_json, write_json
from squadron.config import TrainedOn, digest
from squadron.data import sources
from squadron.data.folding import fold_text
from squadron.errors import InputError
from squadron.models import backbones

if TYPE_CHECKING:
    import pyarrow as pa

FILE = "trained_on.json"
SCHEMA = "trained_on/1"


@dataclass(frozen=True)
class Record:
    """What a model and those before it were trained on."""

    titles: frozenset[str] = frozenset()
    questions: frozenset[str] = frozenset()
    """Digests."""
    is_whole: bool = True
    """False where the training data of a model before it is unknown."""
    declared: tuple[str, ...] = ()
    """What experiments declared of models before it, in words; nobody has checked it."""

    @property
    def standing(self) -> str:
        """In words, for tables, cards and tags: "unknown", "known" or what was declared."""
        if not self.is_whole:
            return UNKNOWN_STANDING
        return f"as declared: {'; '.join(self.declared)}" if self.declared else "known"


UNKNOWN = Record(is_whole=False)
UNKNOWN_STANDING = "unknown"


def read_record(backbone: str, declared: TrainedOn | None = None) -> Record:
    """What a backbone was trained on: its record, else nothing if it is a plain encoder.

    Args:
        backbone: As `backbones.locate` takes it.
        declared: What the experiment says of it; makes an unknown record a known one.

    Returns:
        Where neither tells it, an unknown record: a model of elsewhere that has a QA head, or a
        model of ours from before records were written.

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
    content = read_json(path, schema=SCHEMA)
    return Record(
        frozenset(content["titles"]),
        frozenset(content["questions"]),
        content["is_whole"],
        tuple(content.get("declared", ())),
    )


def _declare(record: Record, backbone: str, declared: TrainedOn) -> Record:
    """A record with what the experiment declares; what is known stays known."""
    titles, questions = set(record.titles) | {*declared.titles}, set(record.questions)
    source = sources.load_source(declared.source)
    with tempfile.TemporaryDirectory() as temporary:
        for number, location in enumerate(declared.files):
            file = storage.fetch_file(location, Path(temporary) / str(number))
            for example in source.read_examples(file):
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
    """What of some examples a model was trained on."""

    titles: tuple[str, ...]
    """Those of the examples that it was trained on, sorted; a digest for what has no title."""
    all_titles: int
    questions_of_titles: int
    """How many of the examples have one of these titles."""
    questions: int
    """How many of the examples it was trained on themselves."""
    all_questions: int
    is_whole: bool
    """False where the training data of the model, or of one before it, is unknown."""


def find_seen(record: Record, examples: "pa.Table") -> Seen:
    """What of some examples a model with this record was trained on.

    Args:
        record: Of the model.
        examples: Of schema `artifacts.EXAMPLES`.
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
    """The record of a model that was trained on some of a split's examples.

    Args:
        before: Of its backbone.
        examples: Of schema `artifacts.EXAMPLES`.
        example_ids: Of those that it was trained on.
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
    content = {
        "is_whole": record.is_whole,
        "declared": list(record.declared),
        "titles": sorted(record.titles),
        "questions": sorted(record.questions),
    }
    write_json(folder / FILE, content, schema=SCHEMA, made_from=made_from)


class Fairness:
    """Who may be judged on the splits of a race.

    What the race itself trains on gives no contender a lead, so that never counts against one: a
    test set of its own may share titles with `data -> train`.

    Args:
        train: The train split, of schema `artifacts.EXAMPLES`.
        judged: The splits that contenders are judged on.
        split_by: Of config.Data: "title" or "question".
    """

    def __init__(self, train: "pa.Table", judged: "dict[str, pa.Table]", split_by: str) -> None:
        own = extend_record(Record(), train, train["id"].to_pylist())
        own_titles = {fold_text(title) for title in own.titles}
        self._by_title = split_by == "title"
        # Folded title -> (as this race writes it, split).
        self._titles: dict[str, tuple[str, str]] = {}
        self._questions: dict[str, tuple[str, str]] = {}
        for split, table in judged.items():
            keys = _keys(table)
            for example_id, (title, question) in keys.items():
                if fold_text(title) not in own_titles:
                    self._titles.setdefault(fold_text(title), (title, split))
                if question not in own.questions:
                    self._questions.setdefault(question, (example_id, split))

    def check(self, label: str, backbone: str, record: Record) -> None:
        """Refuses a contender that was trained on what it would be judged on.

        Args:
            label: Of the contender.
            backbone: As the experiment names it.
            record: Of the backbone.

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
    """Example id -> (its title's key, its question's key)."""
    columns = [examples[name].to_pylist() for name in ("id", "title", "question")]
    rows = zip(*columns, read_contexts(examples), strict=True)
    return {
        example_id: _key(example_id, title, context, question)
        for example_id, title, question, context in rows
    }


def _key(example_id: str, title: str, context: str, question: str) -> tuple[str, str]:
    # The text as well: ids of hand-made files are often mere numbers.
    return title.strip() or f"context {digest(context)}", digest(example_id, question)
