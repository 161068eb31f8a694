"""The step featurize: examples -> windows, for one contender."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from squadron import progress, provenance
from squadron.artifacts import read_parts, read_record, write_record, write_windows
from squadron.config import SPLITS, Windows, digest, from_mapping, to_json
from squadron.data.layout import Layout, read_layout
from squadron.data.tokens import Remembered
from squadron.data.validation_file import Validation
from squadron.data.windows import (
    EXAMPLES_PER_PART,
    WindowCounts,
    covering_length,
    slide_parts,
)
from squadron.errors import InputError
from squadron.steps._backbones import fetched
from squadron.steps._files import AboutWindows
from squadron.steps._step import step, timed

_COLUMNS = ("id", "question", "context", "answers", "reasoning_type")


class _Written(NamedTuple):
    """What is known of the windows of all splits once they are written."""

    counts: dict[str, WindowCounts]
    """Split -> its counts."""
    answer_tokens: int
    """The length that covers most answers of train; 0 if no window has an answer."""
    answers: int
    """Number of questions with an answer."""

    def total(self, name: str) -> int:
        """Returns the sum of one count over all splits."""
        return sum(getattr(counted, name) for counted in self.counts.values())


@step
def featurize(*, entry: str, examples: Path, windows: Path, digests: str = "") -> None:
    """Cuts the examples into windows for one tokenizer and window setting.

    Args:
        entry: JSON of {backbone, windows}. It has no label, so that contenders with equal entries
            share the result of this step.
        digests: JSON of provenance.Digests; with "", nothing is compared.
        examples: As ingest wrote them.
        windows: The folder to write: {split}.arrow, windows.json with the figures, and backbones/
            for the backbone `scratch`.
    """
    from squadron.models import backbones, scratch

    fields = json.loads(entry)
    settings = from_mapping(Windows, fields["windows"])
    about_examples = read_record(Validation, examples / "validation.json")
    figures: dict[str, float] = {}
    with timed(figures, "featurize"):
        with fetched(fields["backbone"], provenance.read_digests(digests)) as place:
            texts = _Texts(examples / "train.parquet")
            backbone = scratch.make_backbone(place, windows, texts, settings)
            tokenizer = backbones.load_tokenizer(backbone)
        _check_length(settings, tokenizer.model_max_length, fields["backbone"])
        bare = backbones.bare_tokenizer(tokenizer)
        layout = read_layout(bare, tokenizer.pad_token_id)
        key = digest(bare.to_str(), to_json(settings), about_examples.made_from)
        written = _write_windows(windows, examples, bare, layout, settings, key)
    lost, answers = written.total("unreachable_answers"), written.answers
    figures |= {
        "windows": written.total("windows"),
        "unreachable_answers": lost,
        "reachable_answers": 100.0 * (1 - lost / answers) if answers else 100.0,
    }
    about = AboutWindows(
        made_from=key,
        layout=layout,
        settings=settings,
        counts={name: asdict(counted) for name, counted in written.counts.items()},
        answer_tokens=written.answer_tokens,
        figures=figures,
    )
    write_record(windows / "windows.json", about)
    progress.say(f"featurize  {_describe(written, settings, answers, figures)}")


def _check_length(settings: Windows, limit: int, backbone: str) -> None:
    """Refuses windows that are longer than the backbone takes."""
    if settings.max_length > limit:
        raise InputError(
            f"windows -> max_length: {settings.max_length} is more than the {limit} tokens "
            f"that {backbone!r} takes; lower it"
        )


def _write_windows(
    folder: Path,
    examples: Path,
    tokenizer: Any,
    layout: Layout,
    settings: Windows,
    key: str,
) -> _Written:
    """Cuts the examples of each split into windows, and writes them.

    Neither the examples nor the windows of a split are in memory at once.

    Args:
        folder: The folder to write.
        examples: As ingest wrote them.
        tokenizer: Without truncation or padding.
        layout: The special tokens of this tokenizer.
        settings: Lengths in tokens.
        key: Digest of what the windows are made from.
    """
    counts = {}
    answer_tokens = answers = 0
    remembered: Remembered = {}
    folder.mkdir(parents=True, exist_ok=True)
    for name in SPLITS:
        reader = _Reader(examples / f"{name}.parquet")
        rows, counts[name] = slide_parts(reader, tokenizer, layout, settings, remembered, folder)
        write_windows(folder / f"{name}.arrow", rows.table, about={"squadron.key": key})
        answers += reader.answers
        if name == "train":
            answer_tokens = covering_length(rows, counts[name].unreachable_answers)
    return _Written(counts, answer_tokens, answers)


class _Reader:
    """Reads the examples of a split part by part, and counts the questions with an answer."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.answers = 0

    def __iter__(self) -> Iterator[pa.Table]:
        for part in _read_parts(self._path, _COLUMNS):
            counts = pc.list_value_length(part["answers"])
            self.answers += pc.sum(pc.greater(counts, 0)).as_py() or 0
            yield part


class _Texts:
    """All questions of a split and each of its different contexts once, as often as iterated."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[str]:
        seen: set[bytes] = set()
        for part in _read_parts(self._path, ("question", "context")):
            yield from part["question"].to_pylist()
            for context in part["context"].unique().to_pylist():
                digest_of_context = hashlib.blake2b(context.encode(), digest_size=16).digest()
                if digest_of_context not in seen:
                    seen.add(digest_of_context)
                    yield context


def _read_parts(path: Path, columns: Sequence[str]) -> Iterator[pa.Table]:
    """Yields some columns of a split's examples part by part."""
    return read_parts(
        path, schema="examples/1", columns=columns, rows=EXAMPLES_PER_PART, encode_texts=False
    )


def _describe(
    written: _Written, settings: Windows, answers: int, figures: Mapping[str, float]
) -> str:
    """Returns the counts as one line for the screen."""
    line = f"{written.total('windows'):,} windows of {settings.max_length} tokens"
    cut, lost = written.total("cut_questions"), written.total("unreachable_answers")
    if cut:
        line += f", {cut} questions cut"
    if answers:
        line += f", {figures['reachable_answers']:.2f} % of answers reachable"
        line += f" ({lost} in no window)" if lost else ""
    return line
