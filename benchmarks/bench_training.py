"""Compares training speed and peak memory: ours, a padded loop, and transformers' Trainer.

    python benchmarks/bench_training.py DATA.json [--output FILE.json]

Three sides train the same backbone on the same random sample of windows of DATA.json (384 tokens,
stride 128), 16 windows a step, dropout as each has it by default, on all cores:

- padded: a torch loop on AutoModelForQuestionAnswering (sdpa attention) in fp32, with every window
  padded to 384 tokens, as the usual example script does by default;
- trainer: transformers.Trainer in bf16 with dynamic padding and batches grouped by length. Its own
  sampler puts the longest batches of 50 first, so that a short segment would not be representative.
  Therefore the batches of its sampler are shuffled.
- ours: `training.train_model` with default settings.

Each side is a process of its own, which has all cores while the others wait. It first takes
WARM_UP_STEPS steps that don't count, and then a segment of steps in each of its turns. The segments
of all sides end at an optimizer step (a hook of torch.optim). A padded window always costs the
same, so the segments of that side are shorter. Ours runs once more, alone and for longer, to
measure its peak memory: the maximum resident set of the whole process, imports and checkpoint
writing included. GPUs are hidden, so that only the processor is measured.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks.measure import (
    at_least,
    at_most,
    cut_windows,
    finish,
    make_parser,
    medians,
    read_result,
    run_child,
)
from benchmarks.training_sides import BATCH_SIZE, SEED, run_side
from squadron.artifacts import write_windows
from squadron.data.window_table import WindowTable
from squadron.models import minilm

TIMES_FASTER = 5.0
MOST_GIGABYTES = 2.5
SEGMENT_STEPS = {"padded": 3, "trainer": 6, "ours": 12}
WARM_UP_STEPS = 3
LONG_STEPS = 150


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints and writes the report. With `--side`, this process is one of the sides."""
    parser = make_parser(__doc__)
    parser.add_argument("data", type=Path, help="DATA.json, SQuAD v1.1 or v2.0 layout")
    parser.add_argument("--backbone", default=minilm.NAME, help="what is trained")
    parser.add_argument("--long-steps", type=int, default=LONG_STEPS, help="for the peak memory")
    parser.add_argument("--segment-divisor", type=int, default=1, help="shortens every segment")
    parser.add_argument("--side", choices=SEGMENT_STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--edges", type=json.loads, default=[], help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.side:
        # Then `data` names the sample of windows.
        run_side(options.side, options.data, options.backbone, options.edges)
        return
    segments = {
        side: max(1, steps // options.segment_divisor) for side, steps in SEGMENT_STEPS.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        about = draw_sample(
            options.data,
            options.backbone,
            Path(folder),
            short=BATCH_SIZE * (WARM_UP_STEPS + options.repeat * max(segments.values())),
            long=BATCH_SIZE * options.long_steps,
        )
        rates, peaks = race(options, Path(folder), segments)
        long = run_child(
            *side_command("ours", Path(folder) / "long.arrow", options, [options.long_steps]),
            environment={"CUDA_VISIBLE_DEVICES": ""},
        )
    median = medians(rates)
    ratio, ratio_trainer = (median["ours"] / median[side] for side in ("padded", "trainer"))
    for side, rate in median.items():
        print(
            f"{side:8s} {rate:6.2f} windows/s, {1000 / rate:6.1f} s per 1,000 windows, "
            f"peak {peaks[side] / 1e9:.2f} GB"
        )
    print(f"ours / padded {ratio:.2f}x, ours / trainer {ratio_trainer:.2f}x")
    long_gb = long["peak_rss_bytes"] / 1e9
    long_rate = BATCH_SIZE * options.long_steps / long["seconds"]
    print(f"ours, {options.long_steps} steps: {long_rate:.2f} windows/s, peak {long_gb:.2f} GB")
    report = {
        "benchmark": "training",
        "data": options.data.name,
        "backbone": options.backbone,
        **about,
        **describe_rates(rates, segments),
        "peak_rss_gb": {side: peak / 1e9 for side, peak in peaks.items()},
        "long_run": {
            "steps": options.long_steps,
            "seconds": long["seconds"],
            "windows_per_second": long_rate,
            "peak_rss_gb": long_gb,
        },
    }
    targets = [
        at_least("ours / padded", ratio, TIMES_FASTER, "times"),
        at_most("peak memory of ours", long_gb, MOST_GIGABYTES, "GB"),
    ]
    finish(report, targets, options)


def describe_rates(rates: dict[str, list[float]], segments: dict[str, int]) -> dict[str, Any]:
    """Returns the part of the report that says how fast each side trained."""
    median = medians(rates)
    return {
        "batch_size": BATCH_SIZE,
        "warm_up_steps": WARM_UP_STEPS,
        "segment_steps": segments,
        "windows_per_second_median": median,
        "seconds_per_1000_windows_median": {side: 1000 / rate for side, rate in median.items()},
        "ratio_to_padded": median["ours"] / median["padded"],
        "ratio_to_trainer": median["ours"] / median["trainer"],
        "windows_per_second": rates,
        "seconds": {
            side: [BATCH_SIZE * segments[side] / rate for rate in some]
            for side, some in rates.items()
        },
    }


def draw_sample(data: Path, backbone: str, folder: Path, *, short: int, long: int) -> dict:
    """Writes random windows of the whole file to short.arrow and long.arrow; describes them."""
    table, layout = cut_windows(data, backbone)
    lengths = table.lengths
    # If the file is smaller than the sample, its windows are taken more than once.
    examples = table.table.num_rows
    count = -(-max(short, long) // examples) * examples
    rows = np.random.default_rng(SEED).permutation(count) % examples
    for name, size in (("short", short), ("long", long)):
        chosen = table.table.take(rows[:size]).combine_chunks()
        write_windows(folder / f"{name}.arrow", chosen, about={})
    (folder / "layout.json").write_text(json.dumps(dataclasses.asdict(layout)))
    return {
        "windows": len(table),
        "mean_tokens": float(lengths.mean()),
        "sample_windows": short,
        "sample_mean_tokens": float(
            WindowTable(table.table.take(rows[:short]), layout).lengths.mean()
        ),
    }


def side_command(
    side: str, windows: Path, options: argparse.Namespace, edges: Sequence[int]
) -> list[object]:
    """Returns the arguments with which this script is one of the sides."""
    own = ["--side", side, "--edges", json.dumps(list(edges)), "--backbone", options.backbone]
    return [Path(__file__).resolve(), windows, *own]


def race(
    options: argparse.Namespace, folder: Path, segments: dict[str, int]
) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Returns windows per second of each segment, and peak bytes, of each side.

    The segments of the sides run in turns.
    """
    sides = {}
    try:
        for side, steps in segments.items():
            edges = [WARM_UP_STEPS + steps * number for number in range(options.repeat + 1)]
            sides[side] = Side(side_command(side, folder / "short.arrow", options, edges))
        for side in sides.values():
            side.wait()
        rates: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(options.repeat + 1):
            for name in list(sides)[:: -1 if number % 2 else 1]:
                figures = sides[name].go()
                # Number 0 is the warm-up.
                if number:
                    rates[name].append(BATCH_SIZE * segments[name] / figures["seconds"])
        return rates, {name: side.go()["peak_rss_bytes"] for name, side in sides.items()}
    finally:
        for side in sides.values():
            side.end()


class Side:
    """A side in a process of its own, which works only in its turns.

    Args:
        arguments: The arguments of Python.
    """

    def __init__(self, arguments: Sequence[object]) -> None:
        self._errors = tempfile.TemporaryFile(mode="w+")  # noqa: SIM115 closed by `end`
        self._process = subprocess.Popen(
            [sys.executable, *map(str, arguments), "--repeat", "1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "", "SQUADRON_BENCHMARK_TURNS": "1"},
        )

    def go(self) -> dict[str, Any]:
        """Lets the side work to its next edge, and returns its figures."""
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self.wait()

    def wait(self) -> dict[str, Any]:
        """Returns the next figures of the side."""
        for line in self._process.stdout:
            result = read_result(line)
            if result is not None:
                return result
        self._errors.seek(0)
        sys.exit(f"A side ended early:\n{self._errors.read()[-3000:]}")

    def end(self) -> None:
        """Ends the process at once."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()


if __name__ == "__main__":
    main()
