"""The step featurize: examples -> windows."""

import json
from dataclasses import asdict
from pathlib import Path

from squadron import progress
from squadron.artifacts import read_json, read_table, write_json, write_windows
from squadron.config import SPLITS, digest, to_json
from squadron.errors import InputError
from squadron.steps._backbones import fetched
from squadron.steps._files import JUDGED
from squadron.steps._step import step, timed


@step
def featurize(*, contenders: str, race: str, examples: Path, windows: Path) -> None:
    """Cuts the examples into windows, once for every different tokenizer and window setting.

    Args:
        contenders: JSON list of {label, backbone, trained_on, windows}.
        race: JSON of tracking.Race; "" tracks nothing.
        examples: As ingest wrote them.
        windows: The folder to write: <key>/{split}.arrow, contenders.json (label -> key) and
            backbones/, where a contender has the backbone `scratch`.
    """
    from squadron import backbones, scratch, tracking, trained_on
    from squadron.config import TrainedOn, Windows, from_mapping
    from squadron.windows import covering_length, read_layout, slide_windows

    tables = {
        name: read_table(examples / f"{name}.parquet", schema="examples/1") for name in SPLITS
    }
    about_examples = read_json(examples / "validation.json", schema="validation/1")
    examples_digest = about_examples["made_from"]
    judged = {name: tables[name] for name in JUDGED}
    fairness = trained_on.Fairness(tables["train"], judged, about_examples["split_by"])
    answers = sum(bool(some) for table in tables.values() for some in table["answers"].to_pylist())
    figures: dict[str, float] = {}
    keys: dict[str, str] = {}
    with timed(figures, "featurize"):
        for contender in json.loads(contenders):
            settings = from_mapping(Windows, contender["windows"])
            with fetched(contender["backbone"]) as place:
                backbone = scratch.make_backbone(place, windows, tables["train"], settings)
                declared = from_mapping(TrainedOn, contender.get("trained_on") or {})
                record = trained_on.read_record(backbone, declared)
                tokenizer = backbones.load_tokenizer(backbone)
            fairness.check(contender["label"], contender["backbone"], record)
            if not record.is_whole:
                progress.say(
                    f"featurize  {contender['label']} is trained on unknown data: nobody recorded "
                    f"what {contender['backbone']} has seen; declare it with trained_on"
                )
            limit = tokenizer.model_max_length
            if settings.max_length > limit:
                raise InputError(
                    f"windows -> max_length: {settings.max_length} is more than the {limit} tokens "
                    f"that {contender['backbone']!r} takes; lower it"
                )
            bare = backbones.bare_tokenizer(tokenizer)
            key = digest(bare.to_str(), to_json(settings), examples_digest)
            keys[contender["label"]] = key
            if key in list(keys.values())[:-1]:
                continue
            layout = read_layout(bare, tokenizer.pad_token_id)
            counts = {}
            for name, table in tables.items():
                rows, counted = slide_windows(table, bare, layout, settings)
                write_windows(windows / key / f"{name}.arrow", rows, about={"squadron.key": key})
                counts[name] = asdict(counted)
                if name == "train":
                    longest = covering_length(rows, counted.unreachable_answers)
            about = {
                "layout": asdict(layout),
                "settings": asdict(settings),
                "counts": counts,
                "answer_tokens": longest,
            }
            write_json(windows / key / "windows.json", about, schema="windows/1", made_from=key)
            total = sum(count["windows"] for count in counts.values())
            cut = sum(count["cut_questions"] for count in counts.values())
            extra = f", {cut} questions cut" if cut else ""
            lost = sum(count["unreachable_answers"] for count in counts.values())
            reachable = 100.0 * (1 - lost / answers) if answers else 100.0
            if answers:
                extra += f", {reachable:.2f} % of answers reachable"
                extra += f" ({lost} in no window)" if lost else ""
            figures["unreachable_answers"] = max(lost, figures.get("unreachable_answers", 0))
            figures["reachable_answers"] = min(reachable, figures.get("reachable_answers", 100.0))
            progress.say(f"featurize  {total:,} windows of {settings.max_length} tokens{extra}")
            figures["windows"] = total
        made_from = digest(*keys.values())
        write_json(
            windows / "contenders.json", {"keys": keys}, schema="keys/1", made_from=made_from
        )
    tracking.log_metrics(tracking.find_parent(tracking.read_race(race)), figures)
