"""Measures the memory of the predict step on 10,000 and on 100,000 windows.

    python benchmarks/bench_predict_memory.py DATA.json [--output FILE.json]

It runs the step itself (`steps.predict`, without MLflow), each time in a process of its own. The
step reads windows from a memory-mapped Arrow file and streams candidates to Parquet. The windows
are those of DATA.json, repeated. The model is a random BERT of 2 layers and hidden size 64, so that
most memory is used by the step and not by the model.

There are two figures, both maxima over the process:

- rss: the resident set (getrusage). It includes the pages of the memory-mapped windows that were
  read. They grow with the file, but the system can drop them at any time.
- anonymous: the part that no file backs (RssAnon, sampled every 20 ms; only on Linux). This is the
  memory that could run out.

The target is about the resident set, which is stricter: 100,000 windows may need 300 MB more.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import (
    at_most,
    cut_windows,
    finish,
    give_result,
    make_parser,
    measure,
    medians,
    peak_rss_bytes,
    run_child,
    watch_peaks,
)
from squadron.models import backbones, minilm

SIZES = (10_000, 100_000)
MOST_GROWTH_MB = 300.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints and writes the report. With a hidden option, it is the measured process."""
    parser = make_parser(__doc__, repeat=1)
    parser.add_argument("data", type=Path, help="DATA.json, SQuAD v1.1 or v2.0 layout")
    parser.add_argument("--backbone", default=minilm.NAME, help="whose tokenizer")
    parser.add_argument("--sizes", type=int, nargs=2, default=SIZES, help="windows, few and many")
    parser.add_argument("--predict-in", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.predict_in:
        give_result(predict_in(options.predict_in))
        return
    if options.sizes[0] >= options.sizes[1]:
        parser.error("--sizes: the first must be the smaller")

    runs: dict[int, list[dict[str, Any]]] = {size: [] for size in options.sizes}
    with tempfile.TemporaryDirectory() as place:
        folders = {size: Path(place) / str(size) for size in options.sizes}
        file_mb = {}
        for size, folder in folders.items():
            file_mb[size] = prepare(folder, options.data, options.backbone, size) / 1e6
        for _ in range(options.repeat):
            for size, folder in folders.items():
                script = Path(__file__).resolve()
                runs[size].append(run_child(script, options.data, "--predict-in", folder))
    figures: dict[str, dict[int, float]] = {}
    for name in ("seconds", "rss_mb", "anonymous_mb", "file_mb"):
        if all(run[name] is not None for some in runs.values() for run in some):
            figures[name] = medians({size: [run[name] for run in runs[size]] for size in runs})
    few, many = options.sizes
    growth = {
        name: by_size[many] - by_size[few] for name, by_size in figures.items() if name != "seconds"
    }
    for size in options.sizes:
        shown = ", ".join(f"{name} {by_size[size]:,.1f}" for name, by_size in figures.items())
        print(f"{size:7,} windows ({file_mb[size]:.0f} MB on disk): {shown}")
    print("growth: " + ", ".join(f"{name} {value:,.1f}" for name, value in growth.items()))
    report = {
        "benchmark": "predict_memory",
        "data": options.data.name,
        "windows": list(options.sizes),
        "windows_file_mb": {str(size): mb for size, mb in file_mb.items()},
        **{name: {str(s): v for s, v in by_size.items()} for name, by_size in figures.items()},
        "growth": growth,
        "runs": {str(size): some for size, some in runs.items()},
    }
    wanted = at_most("growth of the resident set", growth["rss_mb"], MOST_GROWTH_MB, "MB")
    # Memory varies less than time, so one run of each size is enough.
    finish(report, [wanted], options, enough=1)


def prepare(folder: Path, data: Path, backbone: str, size: int) -> int:
    """Writes a model and windows as train and featurize do; returns the bytes of the windows."""
    import dataclasses

    import pyarrow as pa
    import torch
    from transformers import BertConfig, BertForQuestionAnswering

    from squadron.artifacts import write_record, write_windows
    from squadron.config import Contender
    from squadron.models import model_folder, variants
    from squadron.steps._files import AboutWindows

    table, layout = cut_windows(data, backbone)
    tokenizer = backbones.load_tokenizer(backbone)
    torch.manual_seed(13)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=128,
    )
    BertForQuestionAnswering(config).save_pretrained(folder / "backbone")
    tokenizer.save_pretrained(folder / "backbone")
    contender = Contender(variant="span", backbone=str(folder / "backbone"))
    variant = variants.load_variant(contender.variant)
    network = variant.build(contender.backbone, variants.read_options(contender))
    model_folder.write_model(
        folder / "model",
        network,
        tokenizer,
        contender,
        made_from="benchmark",
    )
    (folder / "contender.json").write_text(json.dumps(dataclasses.asdict(contender)))

    # Two splits have one window each, and the third has the windows that count.
    # Examples are taken whole, so there are a few windows more or less than `size`.
    count = round(size * table.table.num_rows / len(table))
    repeated = pa.array([number % table.table.num_rows for number in range(count)])
    parts = {"tune": table.table.slice(0, 1), "select": table.table.slice(0, 1)}
    parts["test"] = table.table.take(repeated)
    for name, rows in parts.items():
        write_windows(folder / "windows" / f"{name}.arrow", rows, about={})
    about = AboutWindows("b", layout, contender.windows, {}, 0, {})
    write_record(folder / "windows" / "windows.json", about)
    return (folder / "windows" / "test.arrow").stat().st_size


def predict_in(folder: Path) -> dict[str, float | None]:
    """Runs the step in a prepared folder; returns the seconds and the peak memory."""
    from squadron import steps

    with watch_peaks("RssAnon", "RssFile") as peaks:
        seconds = measure(
            lambda: steps.predict(
                contender=(folder / "contender.json").read_text(),
                windows=folder / "windows",
                model=folder / "model",
                candidates=folder / "candidates",
            )
        )
    return {
        "seconds": seconds,
        "rss_mb": peak_rss_bytes() / 1e6,
        "anonymous_mb": peaks["RssAnon"] / 1e6 if peaks else None,
        "file_mb": peaks["RssFile"] / 1e6 if peaks else None,
    }


if __name__ == "__main__":
    main()
