"""Measures time and memory of ingest and featurize on a long table of question/answer pairs.

    python benchmarks/bench_table.py [--rows 20000] [--data FILE.csv] [--output FILE.json]

All questions of such a table share one context, which is all its answers. The words of the rows are
drawn from examples/corpus.json, and an answer has 10 to 60 of them; `--data` measures a file
instead. Each step runs in a process of its own, as in a race, untracked. The peak is the larger
resident set of the two processes (getrusage), Python and all libraries included.
"""

import argparse
import csv
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import (
    at_most,
    finish,
    give_result,
    make_parser,
    measure,
    medians,
    peak_rss_bytes,
    read_questions,
    run_child,
)
from squadron.models import minilm

CORPUS = Path(__file__).resolve().parents[1] / "examples" / "corpus.json"
ROWS = 20_000
MOST_SECONDS = 60.0
MOST_GIGABYTES = 1.0
SEED = 13


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints and writes the report. With a hidden option, it is the measured process."""
    parser = make_parser(__doc__, repeat=1)
    parser.add_argument("--rows", type=int, default=ROWS, help="of the table that is made up")
    parser.add_argument("--data", type=Path, help="a table to measure instead")
    parser.add_argument("--backbone", default=minilm.NAME, help="whose tokenizer")
    parser.add_argument("--run-in", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--step", choices=("ingest", "featurize"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.run_in:
        give_result(run_step(options.step, options.data, options.backbone, options.run_in))
        return
    runs: list[dict[str, Any]] = []
    for _ in range(options.repeat):
        with tempfile.TemporaryDirectory() as place:
            data = options.data or write_rows(Path(place) / "rows.csv", options.rows)
            script = Path(__file__).resolve()
            own = ["--data", data, "--backbone", options.backbone, "--run-in", place]
            figures: dict[str, Any] = {}
            for step in ("ingest", "featurize"):
                figures |= run_child(script, *own, "--step", step)
            figures["peak_gb"] = max(figures["peak_gb_ingest"], figures["peak_gb_featurize"])
            runs.append(figures)
    figures = medians({name: [run[name] for run in runs] for name in runs[0]})
    seconds = figures["seconds_ingest"] + figures["seconds_featurize"]
    print(
        f"{figures['examples']:,.0f} examples, {figures['windows']:,.0f} windows: ingest "
        f"{figures['seconds_ingest']:.1f} s, featurize {figures['seconds_featurize']:.1f} s, peak "
        f"{figures['peak_gb']:.2f} GB, {figures['disk_mb']:.0f} MB on disk"
    )
    report = {"benchmark": "table", "rows": options.rows, "seconds": seconds, **figures}
    targets = [
        at_most("ingest + featurize", seconds, MOST_SECONDS, "s"),
        at_most("peak memory", figures["peak_gb"], MOST_GIGABYTES, "GB"),
    ]
    finish(report, targets, options, enough=1)


def write_rows(path: Path, count: int) -> Path:
    """Writes a CSV table of random questions and answers, all of them different."""
    import numpy as np

    random = np.random.default_rng(SEED)
    corpus = read_questions(CORPUS)["context"].unique().to_pylist()
    words = " ".join(corpus).split()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["question", "answer"])
        for number in range(count):
            asked = random.integers(0, len(words), random.integers(6, 18))
            given = random.integers(0, len(words), random.integers(10, 60))
            question = " ".join(words[word] for word in asked)
            answer = " ".join(words[word] for word in given)
            writer.writerow([f"{question} {number}?", f"{answer} {number}."])
    return path


def run_step(step: str, data: Path, backbone: str, folder: Path) -> dict[str, float]:
    """Runs one of the steps; returns seconds, sizes and the peak memory of this process."""
    import dataclasses

    from squadron import steps
    from squadron.config import Data, Windows, to_json

    if step == "ingest":
        settings = Data(train=(str(data),), source="table", split_by="question")
        seconds = measure(
            lambda: steps.ingest(data=to_json(settings), examples=folder / "examples")
        )
        return {"seconds_ingest": seconds, "peak_gb_ingest": peak_rss_bytes() / 1e9}
    entry = json.dumps({"backbone": backbone, "windows": dataclasses.asdict(Windows())})
    seconds = measure(
        lambda: steps.featurize(
            entry=entry, examples=folder / "examples", windows=folder / "windows"
        )
    )
    about = json.loads((folder / "windows" / "windows.json").read_text())
    sizes = [path.stat().st_size for path in folder.glob("*/*") if path.is_file()]
    return {
        "examples": float(sum(count["examples"] for count in about["counts"].values())),
        "windows": float(about["figures"]["windows"]),
        "seconds_featurize": seconds,
        "peak_gb_featurize": peak_rss_bytes() / 1e9,
        "disk_mb": sum(sizes) / 1e6,
    }


if __name__ == "__main__":
    main()
