"""Training windows per second and peak memory: ours, the padded loop, and transformers' Trainer.

    python benchmarks/bench_training.py DATA.json [--output FILE.json]

Three sides train the same backbone on the same random sample of windows of DATA.json (384 tokens,
stride 128), 16 windows a step, dropout as each has it by default, on all cores:

- padded: a torch loop on AutoModelForQuestionAnswering (sdpa attention) in fp32, every window
  padded to 384 tokens, as the usual example script does it by default;
- trainer: transformers.Trainer in bf16 with dynamic padding and batches grouped by length. Its own
  sampler puts the longest batches of 50 first, so a short segment would not be representative:
  the batches are its sampler's, in shuffled order;
- ours: `training.train_model` with default settings.

Each side is a process of its own, which has all the cores while the others wait. It takes
WARM_UP_STEPS steps that don't count, then a segment of steps whenever its turn comes. Segments end
at an optimizer step, for all sides alike (a hook of torch.optim). A padded window costs the same
whatever is in it, so its segments are shorter. Ours runs once more, alone and for longer, for its
peak memory: the maximum resident set of the whole process, imports and checkpoint writing included.
The processor alone is measured: GPUs are hidden.
"""

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks.measure import (
    at_least,
    at_most,
    cut_windows,
    finish,
    give_result,
    make_parser,
    medians,
    peak_rss_bytes,
    read_result,
    run_child,
)
from squadron.artifacts import read_windows, write_windows
from squadron.config import Train, Windows
from squadron.data.window_table import WindowTable
from squadron.models import backbones

TIMES_FASTER = 5.0
MOST_GIGABYTES = 2.5
BATCH_SIZE = 16
SEGMENT_STEPS = {"padded": 3, "trainer": 6, "ours": 12}
WARM_UP_STEPS = 3
LONG_STEPS = 150
SEED = 13


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints and writes the report; or is one of the sides."""
    parser = make_parser(__doc__)
    parser.add_argument("data", type=Path, help="DATA.json, SQuAD v1.1 or v2.0 layout")
    parser.add_argument("--backbone", default=backbones.OFFLINE, help="what is trained")
    parser.add_argument("--long-steps", type=int, default=LONG_STEPS, help="for the peak memory")
    parser.add_argument("--segment-divisor", type=int, default=1, help="shortens every segment")
    parser.add_argument("--side", choices=SEGMENT_STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--edges", type=json.loads, default=[], help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.side:
        # `data` is then the sample of windows.
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
        "batch_size": BATCH_SIZE,
        "warm_up_steps": WARM_UP_STEPS,
        "segment_steps": segments,
        "windows_per_second_median": median,
        "seconds_per_1000_windows_median": {side: 1000 / rate for side, rate in median.items()},
        "ratio_to_padded": ratio,
        "ratio_to_trainer": ratio_trainer,
        "windows_per_second": rates,
        "seconds": {
            side: [BATCH_SIZE * segments[side] / rate for rate in some]
            for side, some in rates.items()
        },
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


def draw_sample(data: Path, backbone: str, folder: Path, *, short: int, long: int) -> dict:
    """Writes short.arrow and long.arrow, random windows of the whole file; says what they are."""
    table, layout = cut_windows(data, backbone)
    lengths = table.lengths
    # A file smaller than the sample gives its windows more than once.
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
    """The arguments that make this script one of the sides."""
    own = ["--side", side, "--edges", json.dumps(list(edges)), "--backbone", options.backbone]
    return [Path(__file__).resolve(), windows, *own]


def race(
    options: argparse.Namespace, folder: Path, segments: dict[str, int]
) -> tuple[dict[str, list[float]], dict[str, int]]:
    """(windows per second of each segment, peak bytes) of each side, segments in turns."""
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
    """A side in a process of its own, which works when it is told to.

    Args:
        arguments: Of this Python.
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
        """Lets it work to its next edge; its figures."""
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        return self.wait()

    def wait(self) -> dict[str, Any]:
        """What it says next."""
        for line in self._process.stdout:
            result = read_result(line)
            if result is not None:
                return result
        self._errors.seek(0)
        sys.exit(f"A side ended early:\n{self._errors.read()[-3000:]}")

    def end(self) -> None:
        """Ends the process, whatever it does."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()


class Pace:
    """Counts optimizer steps; at each edge it gives the seconds since the one before.

    Args:
        edges: Steps done at the end of each segment.
        takes_turns: Whether to wait for a line of stdin before each segment.
    """

    def __init__(self, edges: Sequence[int], takes_turns: bool) -> None:
        self._edges, self._takes_turns = list(edges), takes_turns
        self._steps = 0
        self.seconds = 0.0

    def start(self) -> None:
        """To be called when the first step is due."""
        from torch.optim.optimizer import register_optimizer_step_post_hook

        self._hook = register_optimizer_step_post_hook(lambda *_: self.advance())
        self._wait({})

    def stop(self) -> None:
        """No step after this counts."""
        self._hook.remove()

    def advance(self) -> None:
        """One step done."""
        self._steps += 1
        if self._steps in self._edges:
            self.seconds = time.perf_counter() - self._started
            self._wait({"seconds": self.seconds})

    def _wait(self, figures: dict[str, float]) -> None:
        if self._takes_turns:
            give_result(figures)
            if not sys.stdin.readline():
                sys.exit("Whoever lets this side work is gone")
        self._started = time.perf_counter()


def run_side(side: str, windows: Path, backbone: str, edges: Sequence[int]) -> None:
    """Trains to the last edge; says the seconds of each segment and at last the peak memory."""
    from squadron.data.layout import Layout
    from squadron.models.batches import WindowSet

    fields = json.loads((windows.parent / "layout.json").read_text())
    layout = Layout(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()})
    pace = Pace(edges, bool(os.environ.get("SQUADRON_BENCHMARK_TURNS")))
    window_set = WindowSet(WindowTable(read_windows(windows), layout), layout)
    sides: dict[str, Callable[..., None]] = {
        "padded": train_padded,
        "trainer": train_with_trainer,
        "ours": train_ours,
    }
    with tempfile.TemporaryDirectory() as folder:
        sides[side](window_set, backbone, edges[-1], pace, Path(folder))
        pace.stop()
    give_result({"seconds": pace.seconds, "peak_rss_bytes": peak_rss_bytes()})


def train_ours(windows: Any, backbone: str, steps: int, pace: Pace, folder: Path) -> None:
    """`train_model` on the span variant, default settings, one epoch."""
    import torch

    from squadron.models.training import train_model
    from squadron.models.variants import span

    torch.manual_seed(SEED)
    model = span.build(backbone, span.Options())
    pace.start()
    train_model(
        model,
        windows,
        Train(epochs=1, batch_size=BATCH_SIZE, checkpoint_minutes=1e6),
        evaluate=lambda: {"exact_match": 0.0, "f1": 0.0},
        checkpoints=folder,
    )


def train_padded(windows: Any, backbone: str, steps: int, pace: Pace, folder: Path) -> None:
    """A plain loop on windows padded to the full length, in fp32."""
    import torch
    from transformers import AutoModelForQuestionAnswering

    torch.manual_seed(SEED)
    model = backbones.from_pretrained(
        AutoModelForQuestionAnswering, backbone, attn_implementation="sdpa", use_safetensors=True
    )
    model.train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-5)
    width = Windows().max_length
    batches = [
        pad_batch(windows, range(first, first + BATCH_SIZE), width)
        for first in range(0, steps * BATCH_SIZE, BATCH_SIZE)
    ]
    pace.start()
    for batch in batches:
        model(**batch).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()


def pad_batch(windows: Any, rows: Sequence[int], width: int) -> dict[str, Any]:
    """The named tensors that a question-answering model takes, `width` tokens long."""
    from torch.nn.functional import pad

    batch = windows.collate(list(rows))
    missing = (0, width - batch.input_ids_BT.shape[1])
    return {
        "input_ids": pad(batch.input_ids_BT, missing),  # any id will do where nothing attends
        "attention_mask": pad(batch.attention_mask_BT, missing),
        "token_type_ids": pad(batch.token_type_ids_BT, missing),
        "start_positions": batch.start_token_B,
        "end_positions": batch.end_token_B,
    }


def train_with_trainer(windows: Any, backbone: str, steps: int, pace: Pace, folder: Path) -> None:
    """transformers.Trainer in bf16, padded to the longest of each batch of like lengths."""
    import torch
    from transformers import (
        AutoModelForQuestionAnswering,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
    )
    from transformers.trainer_pt_utils import get_length_grouped_indices

    model = backbones.from_pretrained(AutoModelForQuestionAnswering, backbone, use_safetensors=True)
    generator = torch.Generator().manual_seed(SEED)
    order = get_length_grouped_indices(
        windows.lengths.tolist(), BATCH_SIZE, mega_batch_mult=50, generator=generator
    )
    whole = len(order) // BATCH_SIZE * BATCH_SIZE
    order = np.array(order[:whole]).reshape(-1, BATCH_SIZE)
    order = order[np.random.default_rng(SEED).permutation(len(order))]
    dataset = [take_row(windows, int(row)) for row in order.ravel()]
    settings = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=BATCH_SIZE,
        train_sampling_strategy="sequential",  # the order is made above
        max_steps=steps,
        bf16=True,
        use_cpu=True,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        seed=SEED,
    )
    collator = DataCollatorWithPadding(backbones.load_tokenizer(backbone))
    trainer = Trainer(model=model, args=settings, train_dataset=dataset, data_collator=collator)
    pace.start()
    trainer.train()


def take_row(windows: Any, row: int) -> dict[str, Any]:
    """One window as lists and numbers, not padded."""
    batch = windows.collate([row])
    real = batch.attention_mask_BT[0].bool()
    return {
        "input_ids": batch.input_ids_BT[0][real].tolist(),
        "token_type_ids": batch.token_type_ids_BT[0][real].tolist(),
        "attention_mask": [1] * int(real.sum()),
        "start_positions": int(batch.start_token_B[0]),
        "end_positions": int(batch.end_token_B[0]),
    }


if __name__ == "__main__":
    main()
