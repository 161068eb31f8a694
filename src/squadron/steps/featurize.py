"""The step featurize: examples -> windows, for one contender."""

import json
from dataclasses import asdict
from pathlib import Path

from squadron import progress, provenance
from squadron.artifacts import read_json, read_table, write_json, write_windows
from squadron.config import SPLITS, digest, to_json
from squadron.errors import InputError
from squadron.steps._backbones import fetched
from squadron.steps._step import step, timed


@step
def featurize(*, entry: str, examples: Path, windows: Path, digests: str = "") -> None:
    """Cuts the examples into windows for one tokenizer and window setting.

    Args:
        entry: JSON of {backbone, windows}. It has no label, so that contenders with equal entries
            share this step's result.
        digests: JSON of provenance.Digests; "" compares nothing.
        examples: As ingest wrote them.
        windows: The folder to write: {split}.arrow, windows.json with its figures, and backbones/
            for the backbone `scratch`.
    """
    from squadron.config import Windows, from_mapping
    from squadron.data.layout import read_layout
    from squadron.data.tokens import Remembered
    from squadron.data.windows import covering_length, slide_windows
    from squadron.models import backbones, scratch

    fields = json.loads(entry)
    settings = from_mapping(Windows, fields["windows"])
    tables = {
        name: read_table(examples / f"{name}.parquet", schema="examples/1") for name in SPLITS
    }
    figures: dict[str, float] = {}
    with timed(figures, "featurize"):
        with fetched(fields["backbone"], provenance.read_digests(digests)) as place:
            backbone = scratch.make_backbone(place, windows, tables["train"], settings)
            tokenizer = backbones.load_tokenizer(backbone)
        limit = tokenizer.model_max_length
        if settings.max_length > limit:
            raise InputError(
                f"windows -> max_length: {settings.max_length} is more than the {limit} tokens "
                f"that {fields['backbone']!r} takes; lower it"
            )
        bare = backbones.bare_tokenizer(tokenizer)
        about_examples = read_json(examples / "validation.json", schema="validation/1")
        key = digest(bare.to_str(), to_json(settings), about_examples["made_from"])
        layout = read_layout(bare, tokenizer.pad_token_id)
        counts = {}
        remembered: Remembered = {}
        for name, table in tables.items():
            rows, counted = slide_windows(table, bare, layout, settings, remembered)
            write_windows(windows / f"{name}.arrow", rows.table, about={"squadron.key": key})
            counts[name] = asdict(counted)
            if name == "train":
                longest = covering_length(rows, counted.unreachable_answers)
        total = sum(count["windows"] for count in counts.values())
        lost = sum(count["unreachable_answers"] for count in counts.values())
        answers = sum(
            bool(some) for table in tables.values() for some in table["answers"].to_pylist()
        )
        reachable = 100.0 * (1 - lost / answers) if answers else 100.0
    figures |= {
        "windows": total,
        "unreachable_answers": lost,
        "reachable_answers": reachable,
    }
    about = {
        "layout": asdict(layout),
        "settings": asdict(settings),
        "counts": counts,
        "answer_tokens": longest,
        "figures": figures,
    }
    write_json(windows / "windows.json", about, schema="windows/1", made_from=key)
    cut = sum(count["cut_questions"] for count in counts.values())
    extra = f", {cut} questions cut" if cut else ""
    if answers:
        extra += f", {reachable:.2f} % of answers reachable"
        extra += f" ({lost} in no window)" if lost else ""
    progress.say(f"featurize  {total:,} windows of {settings.max_length} tokens{extra}")
