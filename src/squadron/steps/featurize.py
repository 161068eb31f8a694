"""The step featurize: examples -> windows, for one contender."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from squadron import progress, provenance
from squadron.artifacts import read_record, read_table, write_record, write_windows
from squadron.config import SPLITS, Windows, digest, from_mapping, to_json
from squadron.data.layout import Layout, read_layout
from squadron.data.tokens import Remembered
from squadron.data.validation_file import Validation
from squadron.data.windows import WindowCounts, covering_length, slide_windows
from squadron.errors import InputError
from squadron.steps._backbones import fetched
from squadron.steps._files import AboutWindows
from squadron.steps._step import step, timed


class _Written(NamedTuple):
    """What is known of the windows of all splits once they are written."""

    counts: dict[str, WindowCounts]
    """Split -> its counts."""
    answer_tokens: int
    """The length that covers most answers of train; 0 if no window has an answer."""

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
    tables = {
        name: read_table(examples / f"{name}.parquet", schema="examples/1") for name in SPLITS
    }
    about_examples = read_record(Validation, examples / "validation.json")
    figures: dict[str, float] = {}
    with timed(figures, "featurize"):
        with fetched(fields["backbone"], provenance.read_digests(digests)) as place:
            backbone = scratch.make_backbone(place, windows, tables["train"], settings)
            tokenizer = backbones.load_tokenizer(backbone)
        _check_length(settings, tokenizer.model_max_length, fields["backbone"])
        bare = backbones.bare_tokenizer(tokenizer)
        layout = read_layout(bare, tokenizer.pad_token_id)
        key = digest(bare.to_str(), to_json(settings), about_examples.made_from)
        written = _write_windows(windows, tables, bare, layout, settings, key)
        answers = _count_answered(tables.values())
    lost = written.total("unreachable_answers")
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
    tables: Mapping[str, Any],
    tokenizer: Any,
    layout: Layout,
    settings: Windows,
    key: str,
) -> _Written:
    """Cuts the examples of each split into windows, and writes them.

    Args:
        folder: The folder to write.
        tables: Split -> its examples.
        tokenizer: Without truncation or padding.
        layout: The special tokens of this tokenizer.
        settings: Lengths in tokens.
        key: Digest of what the windows are made from.
    """
    counts = {}
    answer_tokens = 0
    remembered: Remembered = {}
    for name, table in tables.items():
        rows, counts[name] = slide_windows(table, tokenizer, layout, settings, remembered)
        write_windows(folder / f"{name}.arrow", rows.table, about={"squadron.key": key})
        if name == "train":
            answer_tokens = covering_length(rows, counts[name].unreachable_answers)
    return _Written(counts, answer_tokens)


def _count_answered(tables: Iterable[Any]) -> int:
    """Counts the questions with an answer."""
    return sum(bool(some) for table in tables for some in table["answers"].to_pylist())


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
