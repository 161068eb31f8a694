"""Measures the memory and the time of featurize and evaluate on 100,000 and 1,000,000 windows.

    python benchmarks/bench_memory.py DATA.json [--output FILE.json]

It runs the steps themselves (`steps.featurize` and `steps.evaluate`, without MLflow), each in a
process of its own. The questions are those of DATA.json, repeated. Each repetition has contexts,
titles and ids of its own, so that everything grows with the number of windows, as in a larger data
set. For featurize, the train split is the large one. For evaluate, it is the test split, in which
every question has two windows with 20 candidates each (`bench_answers.write_candidates`).

There are two figures of memory, both maxima over the process:

- anonymous: the part that no file backs (RssAnon, sampled every 20 ms; only on Linux). This is the
  memory that could run out. The targets are about it.
- rss: the resident set (getrusage). It includes the pages of files that were mapped into memory:
  the temporary files of the steps, and the Parquet files that they read. The system can drop these
  pages at any time.

Time is linear if the larger size needs as many CPU seconds per window as the smaller one. CPU
seconds are those of all threads. They depend less than the clock on what else the machine does.
"""

import argparse
import dataclasses
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import bench_answers
from benchmarks.measure import (
    at_most,
    cut_windows,
    finish,
    give_result,
    make_parser,
    measure,
    medians,
    peak_rss_bytes,
    read_questions,
    run_child,
    watch_peaks,
)
from squadron.models import minilm

if TYPE_CHECKING:
    import pyarrow as pa

SIZES = (100_000, 1_000_000)
STEPS = ("featurize", "evaluate")
MOST_GROWTH_MB = 300.0
MOST_TIMES = 1.2
"""How many times the CPU seconds per window of the smaller size the larger one may need."""
WINDOWS_PER_QUESTION = 2
"""In the candidates of `bench_answers`."""
SMALL = 100
"""Questions of the splits that are not measured."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints and writes the report. With a hidden option, it is the measured process."""
    parser = make_parser(__doc__, repeat=1)
    parser.add_argument("data", type=Path, help="DATA.json, SQuAD v1.1 or v2.0 layout")
    parser.add_argument("--backbone", default=minilm.NAME, help="whose tokenizer")
    parser.add_argument("--sizes", type=int, nargs=2, default=SIZES, help="windows, few and many")
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS)
    parser.add_argument("--run-in", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.run_in:
        (step,) = options.steps
        give_result(run_in(options.run_in, step, options.backbone))
        return
    if options.sizes[0] >= options.sizes[1]:
        parser.error("--sizes: the first must be the smaller")

    report: dict[str, Any] = {
        "benchmark": "memory",
        "data": options.data.name,
        "windows": list(options.sizes),
    }
    targets = []
    for step in options.steps:
        figures = measure_step(step, options)
        report[step] = {
            name: {str(size): value for size, value in by_size.items()}
            for name, by_size in figures.items()
        }
        targets += judge_step(step, figures, options.sizes)
    # Memory varies less than time, so one run of each size is enough.
    finish(report, targets, options, enough=1)


def measure_step(step: str, options: argparse.Namespace) -> dict[str, dict[int, float]]:
    """Returns the median seconds and the peaks of a step for each size."""
    runs: dict[int, list[dict[str, Any]]] = {}
    for size in options.sizes:
        # The data of one size are on disk at a time.
        with tempfile.TemporaryDirectory() as place:
            prepare(Path(place), options.data, options.backbone, step, size)
            script = Path(__file__).resolve()
            command = (script, options.data, "--backbone", options.backbone, "--steps", step)
            runs[size] = [run_child(*command, "--run-in", place) for _ in range(options.repeat)]
    figures: dict[str, dict[int, float]] = {}
    for name in ("seconds", "cpu_seconds", "anonymous_mb", "rss_mb"):
        if all(run[name] is not None for some in runs.values() for run in some):
            figures[name] = medians({size: [run[name] for run in runs[size]] for size in runs})
    for size in options.sizes:
        shown = ", ".join(f"{name} {by_size[size]:,.1f}" for name, by_size in figures.items())
        print(f"{step:9s} {size:9,} windows: {shown}", flush=True)
    return figures


def judge_step(
    step: str, figures: dict[str, dict[int, float]], sizes: Sequence[int]
) -> list[dict[str, Any]]:
    """Returns the targets of a step."""
    few, many = sizes
    targets = []
    if "anonymous_mb" in figures:
        growth = figures["anonymous_mb"][many] - figures["anonymous_mb"][few]
        targets.append(at_most(f"{step}, more memory", growth, MOST_GROWTH_MB, "MB"))
    seconds = figures["cpu_seconds"]
    times = seconds[many] / many / (seconds[few] / few)
    targets.append(at_most(f"{step}, CPU seconds per window", times, MOST_TIMES, "times"))
    return targets


def prepare(folder: Path, data: Path, backbone: str, step: str, size: int) -> None:
    """Writes the inputs of a step with `size` windows, as the steps before it do."""
    import numpy as np

    questions = read_questions(data)
    small = questions.slice(0, SMALL)
    if step == "featurize":
        table, _ = cut_windows(data, backbone)
        many = repeat_questions(questions, round(size * len(questions) / len(table)))
        tables = {"train": many, **dict.fromkeys(("tune", "select", "test"), small)}
        bench_answers.write_examples(folder / "examples", tables)
        return
    count = size // WINDOWS_PER_QUESTION
    tables = {"tune": small, "select": small, "test": repeat_questions(questions, count)}
    bench_answers.write_examples(folder / "examples", tables)
    likely_QS2 = bench_answers.draw_spans(questions)
    for name, table in tables.items():
        path = folder / "candidates" / f"{name}.parquet"
        spans = likely_QS2[np.arange(len(table)) % len(questions)]
        bench_answers.write_candidates(path, table["id"].to_pylist(), spans)
        write_extents(path.with_suffix(".windows.parquet"), table, WINDOWS_PER_QUESTION)
    bench_answers.write_status(folder / "candidates")


def repeat_questions(questions: "pa.Table", count: int) -> "pa.Table":
    """Returns `count` questions. Each repetition has ids, titles and contexts of its own."""
    import pyarrow as pa
    import pyarrow.compute as pc

    pieces = []
    for number, start in enumerate(range(0, count, len(questions))):
        piece = questions.slice(0, min(len(questions), count - start))
        # Text is added at the end of a context, so that its answers keep their places.
        for name, end in (("id", f"-{number}"), ("title", f" {number}")):
            column = pc.binary_join_element_wise(piece[name], end, "")
            piece = piece.set_column(piece.schema.get_field_index(name), name, column)
        contexts = piece["context"].combine_chunks()
        texts = pc.binary_join_element_wise(contexts.dictionary, f" ({number})", "")
        changed = pa.DictionaryArray.from_arrays(contexts.indices, texts)
        place = piece.schema.get_field_index("context")
        pieces.append(piece.set_column(place, questions.schema.field("context"), changed))
    return pa.concat_tables(pieces).unify_dictionaries().combine_chunks()


def write_extents(path: Path, examples: "pa.Table", windows: int) -> None:
    """Writes what the windows of each question hold: the whole context, in each of them."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    from squadron.artifacts import EXTENTS, written_in_parts

    about = {"schema": "extents/1", "made_from": bench_answers.MADE_FROM}
    with written_in_parts(path, EXTENTS, **about) as add:
        for first in range(0, len(examples), 4096):
            some = examples.slice(first, 4096)
            rows = np.repeat(np.arange(len(some)), windows)
            window = np.tile(np.arange(windows, dtype=np.int32), len(some))
            ends = pc.utf8_length(some["context"].cast(pa.string())).to_numpy()[rows]
            heads = np.zeros(len(rows), np.int32)
            columns = [some["id"].combine_chunks().take(rows), window, heads, ends]
            add(pa.Table.from_arrays(columns, schema=EXTENTS))


def run_in(folder: Path, step: str, backbone: str) -> dict[str, float | None]:
    """Runs a step in a prepared folder; returns the seconds and the peak memory."""
    before = time.process_time()
    with watch_peaks("RssAnon") as peaks:
        seconds = measure(lambda: run_step(folder, step, backbone))
    cpu_seconds = time.process_time() - before
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
        "anonymous_mb": peaks["RssAnon"] / 1e6 if peaks else None,
        "rss_mb": peak_rss_bytes() / 1e6,
    }


def run_step(folder: Path, step: str, backbone: str) -> None:
    """Runs a step in a prepared folder."""
    from squadron import steps
    from squadron.config import Windows

    if step == "featurize":
        settings = dataclasses.asdict(Windows())
        steps.featurize(
            entry=json.dumps({"backbone": backbone, "windows": settings}),
            examples=folder / "examples",
            windows=folder / "windows",
        )
        return
    bench_answers.evaluate(folder)


if __name__ == "__main__":
    main()
