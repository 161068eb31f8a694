"""Compares the seconds from logits to answers: ours, a plain loop, and the usual script.

    python benchmarks/bench_postprocess.py DATA.json [--output FILE.json]

All sides get the start and end logits of every window of DATA.json (real lengths and offsets) and
give ranked candidates and one answer text per question, at most 30 tokens long:

- ours: `prediction.best_spans` in batches of similar length, candidates as rows of characters,
  `ranking.rank_candidates` and `ranking.best_texts`, with one candidate per window. That is enough
  for answers, as after each epoch.
- ours_20: the same with the 20 best candidates of each window, which nbest.json needs.
- plain: for each window, an argsort of starts and of ends in numpy, two nested loops over the 20
  best of each, and a dict for each allowed pair; then a sort for each question. The offsets are in
  Python lists already.
- script: the plain loop as training scripts have it. Examples and windows are rows of a
  `datasets.Dataset`, and the n best get texts and a softmax. It is compared with `ours_n_best`:
  ours with `ranking.list_best`, which gives the same n best as dicts.

The target is about the plain loop, which also ends in one answer and its score per question. The
logits are seeded noise with four likely spans in each window and a likely null token, as a trained
model gives them. Every side scores a span by its start and end logit minus those of the null token
of the window. The loops are not exact: the best allowed pair need not be among the 20 best starts
and ends. Therefore the benchmark first checks that ours never has a lower score on any question.
The report has the share of questions with equal answers.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pyarrow as pa
import torch

from benchmarks.measure import (
    at_least,
    cut_windows,
    finish,
    make_parser,
    measure,
    medians,
    read_questions,
    take_turns,
)
from benchmarks.postprocess_loops import SETTINGS, answer_like_a_script, answer_plainly
from squadron.answers import ranking
from squadron.data.window_table import WindowTable
from squadron.models import minilm, prediction
from squadron.models.batches import Batch, WindowSet

TIMES_FASTER = 20.0
BATCH_SIZE = 256
"""Number of windows whose logits are handled together. The loops take one window at a time."""
WIDTH = 384
"""Number of tokens to which the logits of the loops are padded, as usual prediction loops do."""


@dataclass
class BatchLogits:
    """The logits that a model would give for one batch."""

    batch: Batch
    start_BT: torch.Tensor
    end_BT: torch.Tensor


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints and writes the report.

    It is long because the five sides are closures over the same data.
    """
    import datasets

    parser = make_parser(__doc__)
    parser.add_argument("data", type=Path, help="DATA.json, SQuAD v1.1 or v2.0 layout")
    parser.add_argument("--backbone", default=minilm.NAME, help="whose tokenizer")
    options = parser.parse_args(arguments)

    table, layout = cut_windows(options.data, options.backbone)
    examples = read_questions(options.data)
    ids, contexts = examples["id"].to_pylist(), examples["context"].to_pylist()
    start_NT, end_NT = draw_logits(table)
    batches = arrange(table, layout, start_NT, end_NT)
    features = list_features(table)
    dataset = datasets.Dataset.from_list(
        [{"id": i, "context": c} for i, c in zip(ids, contexts, strict=True)]
    )
    windows = datasets.Dataset.from_list(
        [{"example_id": owner, "offset_mapping": offsets} for owner, offsets in features]
    )

    def ours() -> tuple[list[str], Any]:
        ranked = rank(batches, ids, n_best=1)
        return ranking.best_texts(ranked, contexts), ranked.best_score()

    def ours_20() -> tuple[list[str], Any]:
        ranked = rank(batches, ids)
        return ranking.best_texts(ranked, contexts), ranked.best_score()

    def plain() -> tuple[list[str], Any]:
        return answer_plainly(features, start_NT, end_NT, ids, contexts)

    def ours_n_best() -> Any:
        ranked = rank(batches, ids)
        texts = ranking.best_texts(ranked, contexts)
        return texts, list(ranking.list_best(ranked, contexts, SETTINGS.n_best))

    def script() -> Any:
        return answer_like_a_script(windows, start_NT, end_NT, dataset)

    equal = check_answers(ours, ours_20, plain, script)
    seconds = take_turns(
        {
            "ours": ours,
            "ours_20": ours_20,
            "plain": plain,
            "ours_n_best": ours_n_best,
            "script": script,
        },
        options.repeat,
    )
    median = medians(seconds)
    parts = time_parts(batches, ids, contexts, options.repeat)
    print(f"{len(ids)} questions, {len(table)} windows, median of {options.repeat} in turns")
    print_seconds(median, parts)
    ratio = median["plain"] / median["ours"]
    ratio_20 = median["plain"] / median["ours_20"]
    script_ratio = median["script"] / median["ours_n_best"]
    print(f"plain / ours_20 {ratio_20:.1f}x")
    print(f"plain / ours {ratio:.1f}x, equal answers {equal:.2%}")
    print(f"script / ours_n_best {script_ratio:.1f}x")
    report = {
        "benchmark": "postprocess",
        "data": options.data.name,
        "questions": len(ids),
        "windows": len(table),
        "equal_answers": equal,
        "seconds_median": median,
        "ours_20_parts_seconds_median": parts,
        "ratio": ratio,
        "ratio_20": ratio_20,
        "ratio_script": script_ratio,
        "seconds": seconds,
    }
    finish(report, [at_least("plain / ours", ratio, TIMES_FASTER, "times")], options)


def check_answers(
    ours: Callable[[], Any],
    ours_20: Callable[[], Any],
    plain: Callable[[], Any],
    script: Callable[[], Any],
) -> float:
    """Returns the share of questions with equal answers, 0 to 1.

    Ends the program if two sides that must agree differ, or if ours misses a better answer.
    """
    (our_texts, our_scores), (plain_texts, plain_scores) = ours(), plain()
    if ours_20()[0] != our_texts:
        sys.exit("One candidate and twenty give other answers")
    short = int((our_scores < plain_scores - 1e-4).sum())
    if short:
        sys.exit(f"Ours misses the better answer of {short} questions")
    if script()[0] != plain_texts:
        sys.exit("The two loops differ")
    return float(np.mean([a == b for a, b in zip(our_texts, plain_texts, strict=True)]))


def print_seconds(median: dict[str, float], parts: dict[str, float]) -> None:
    """Prints the seconds of each side and of each part of our side."""
    for name, figure in median.items():
        print(f"{name:12s} {figure:7.3f} s")
    for name, figure in parts.items():
        print(f"  of ours_20: {name:16s} {figure:7.3f} s")


def draw_logits(table: WindowTable) -> tuple[Any, Any]:
    """Draws start and end logits of every window, padded to WIDTH: (windows, WIDTH), float32."""
    random = np.random.default_rng(13)
    first = table.cut.context_start_N
    last = table.cut.context_end_N
    rows = np.arange(len(table))
    start_NT, end_NT = (
        random.normal(-5.0, 1.0, (len(table), WIDTH)).astype(np.float32) for _ in range(2)
    )
    for height in (9.0, 7.0, 6.0, 5.0):
        start = random.integers(first, np.maximum(last, first) + 1)
        end = np.minimum(start + random.geometric(0.3, len(table)) - 1, last)
        for logits, peak in ((start_NT, start), (end_NT, end)):
            # The neighbours of a likely token are likely, too.
            for distance in range(-2, 3):
                place = np.clip(peak + distance, 0, WIDTH - 1)
                logits[rows, place] = np.maximum(
                    logits[rows, place], height - 5 - 1.5 * abs(distance) + logits[rows, place] / 5
                )
    for logits in (start_NT, end_NT):
        logits[:, 0] += 6.0
    return start_NT, end_NT


def arrange(table: WindowTable, layout: Any, start_NT: Any, end_NT: Any) -> list[Any]:
    """Returns (record batch, order, [BatchLogits]) of each chunk of windows, sorted by length."""
    arranged, first = [], 0
    for chunk in table.chunks():
        window_set = WindowSet(chunk, layout)
        order = np.argsort(-window_set.lengths, kind="stable")
        logits = []
        for place in range(0, len(order), BATCH_SIZE):
            rows = order[place : place + BATCH_SIZE].tolist()
            batch = window_set.collate(rows)
            width = batch.input_ids_BT.shape[1]
            numbers = [first + row for row in rows]
            start_BT = torch.from_numpy(start_NT[numbers, :width])
            end_BT = torch.from_numpy(end_NT[numbers, :width])
            logits.append(BatchLogits(batch, start_BT, end_BT))
        arranged.append((chunk, order, logits))
        first += chunk.num_rows
    return arranged


def find_spans(
    batches: list[Any], n_best: int = SETTINGS.n_best
) -> list[list[prediction.TopSpans]]:
    """Returns the best spans of every batch of every chunk."""
    with torch.inference_mode():
        return [
            [
                prediction.best_spans(
                    each.start_BT,
                    each.end_BT,
                    each.batch,
                    n_best,
                    SETTINGS.max_answer_tokens,
                )
                for each in logits
            ]
            for _, _, logits in batches
        ]


def write_rows(
    batches: list[Any],
    spans: list[list[prediction.TopSpans]],
    n_best: int = SETTINGS.n_best,
) -> pa.Table:
    """Returns the spans as rows of candidates."""
    return pa.concat_tables(
        [
            prediction._to_candidates(chunk, order, parts, n_best)
            for (chunk, order, _), parts in zip(batches, spans, strict=True)
        ]
    )


def rank(batches: list[Any], ids: list[str], n_best: int = SETTINGS.n_best) -> ranking.Ranked:
    """Returns the ranked candidates of the logits, as Squadron computes them."""
    spans = find_spans(batches, n_best)
    return ranking.rank_candidates(write_rows(batches, spans, n_best), ids)


def time_parts(
    batches: list[Any], ids: list[str], contexts: list[str], repeat: int
) -> dict[str, float]:
    """Returns the median seconds of each part of our side."""
    spans = find_spans(batches)
    rows = write_rows(batches, spans)
    ranked = ranking.rank_candidates(rows, ids)
    parts = {
        "best_spans": lambda: find_spans(batches),
        "candidates": lambda: write_rows(batches, spans),
        "rank_candidates": lambda: ranking.rank_candidates(rows, ids),
        "best_texts": lambda: ranking.best_texts(ranked, contexts),
        "list_best": lambda: list(ranking.list_best(ranked, contexts, SETTINGS.n_best)),
    }
    return medians({name: [measure(part) for _ in range(repeat)] for name, part in parts.items()})


def list_features(table: WindowTable) -> list[tuple[str, list[tuple[int, int] | None]]]:
    """Returns (example id, offsets of the tokens, None outside the context) of each window."""
    features = []
    for row in table.to_pylist():
        inside = list(zip(row["start_chars"], row["end_chars"], strict=True))
        after = WIDTH - row["context_start"] - len(inside)
        offsets = [None] * row["context_start"] + inside + [None] * after
        features.append((row["example_id"], offsets))
    return features


if __name__ == "__main__":
    main()
