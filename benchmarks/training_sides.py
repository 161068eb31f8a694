"""The sides of bench_training.py: three ways to train the same backbone on the same windows."""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import give_result, peak_rss_bytes
from squadron.artifacts import read_windows
from squadron.config import Train, Windows
from squadron.data.window_table import WindowTable
from squadron.models import backbones

BATCH_SIZE = 16
SEED = 13


class Pace:
    """Counts optimizer steps, and measures the seconds between two edges.

    Args:
        edges: Number of steps that are done at the end of each segment.
        takes_turns: Whether to wait for a line of stdin before each segment.
    """

    def __init__(self, edges: Sequence[int], takes_turns: bool) -> None:
        self._edges, self._takes_turns = list(edges), takes_turns
        self._steps = 0
        self.seconds = 0.0

    def start(self) -> None:
        """Begins to count. It is called just before the first step."""
        from torch.optim.optimizer import register_optimizer_step_post_hook

        self._hook = register_optimizer_step_post_hook(lambda *_: self.advance())
        self._wait({})

    def stop(self) -> None:
        """Ends the counting."""
        self._hook.remove()

    def advance(self) -> None:
        """Counts one step."""
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
    """Trains to the last edge, and gives the seconds of each segment and the peak memory."""
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
    """Trains the span variant for one epoch by `train_model` with default settings."""
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
    """Trains by a plain loop in fp32 on windows that are padded to the full length."""
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
    """Returns the named tensors of a question-answering model, `width` tokens long."""
    from torch.nn.functional import pad

    batch = windows.collate(list(rows))
    missing = (0, width - batch.input_ids_BT.shape[1])
    return {
        "input_ids": pad(batch.input_ids_BT, missing),  # padding may have any id
        "attention_mask": pad(batch.attention_mask_BT, missing),
        "token_type_ids": pad(batch.token_type_ids_BT, missing),
        "start_positions": batch.start_token_B,
        "end_positions": batch.end_token_B,
    }


def train_with_trainer(windows: Any, backbone: str, steps: int, pace: Pace, folder: Path) -> None:
    """Trains by transformers.Trainer in bf16, with batches of windows of similar lengths."""
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
    """Returns one window as lists and numbers, without padding."""
    batch = windows.collate([row])
    real = batch.attention_mask_BT[0].bool()
    return {
        "input_ids": batch.input_ids_BT[0][real].tolist(),
        "token_type_ids": batch.token_type_ids_BT[0][real].tolist(),
        "attention_mask": [1] * int(real.sum()),
        "start_positions": int(batch.start_token_B[0]),
        "end_positions": int(batch.end_token_B[0]),
    }
