"""What a model was trained on, and that nobody is judged on it: `trained_on.json` in model folders.

Owns the record and the two keys. A title (of what has none: the digest of the context), because
questions of one title share facts and often a paragraph; it counts where data are split by title. A
question, as the digest of its id and text; it always counts. A model hands its record on to what is
trained from it. What a model of elsewhere was trained on is not known here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from squadron import backbones
from squadron.artifacts import MODEL_ABOUT, read_contexts, read_json, write_json
from squadron.config import digest
from squadron.errors import InputError

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
    """False where a model before it has no record."""


UNKNOWN = Record(is_whole=False)


def read_record(backbone: str) -> Record:
    """What a backbone was trained on: of a model folder of ours what it says, else nothing.

    Args:
        backbone: As `backbones.locate` takes it.

    Raises:
        InputError: If it can't be found.
    """
    folder = Path(backbones.locate(backbone))
    if (folder / FILE).is_file():
        content = read_json(folder / FILE, schema=SCHEMA)
        return Record(
            frozenset(content["titles"]), frozenset(content["questions"]), content["is_whole"]
        )
    return UNKNOWN if (folder / MODEL_ABOUT).is_file() else Record()


def extend_record(before: Record, examples: "pa.Table", example_ids: Iterable[str]) -> Record:
    """The record of a model that was trained on some of a split's examples.

    Args:
        before: Of its backbone.
        examples: Of schema `artifacts.EXAMPLES`.
        example_ids: Of those that it was trained on.
    """
    wanted = set(example_ids)
    keys = [keys for example_id, keys in _keys(examples).items() if example_id in wanted]
    return Record(
        before.titles | {title for title, _ in keys},
        before.questions | {question for _, question in keys},
        before.is_whole,
    )


def write_record(folder: Path, record: Record, *, made_from: str) -> None:
    """Writes `trained_on.json`; equal records give equal bytes."""
    content = {
        "is_whole": record.is_whole,
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
        self._by_title = split_by == "title"
        self._titles: dict[str, str] = {}
        self._questions: dict[str, tuple[str, str]] = {}
        for split, table in judged.items():
            keys = _keys(table)
            for example_id, (title, question) in keys.items():
                if title not in own.titles:
                    self._titles.setdefault(title, split)
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
        titles = sorted(self._titles.keys() & record.titles) if self._by_title else []
        questions = sorted(
            self._questions[key] for key in self._questions.keys() & record.questions
        )
        if titles:
            unit, found, split = "title", titles[0], self._titles[titles[0]]
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
    return {
        # The text as well: ids of hand-made files are often mere numbers.
        example_id: (title.strip() or f"context {digest(context)}", digest(example_id, question))
        for example_id, title, question, context in zip(
            *columns, read_contexts(examples), strict=True
        )
    }
