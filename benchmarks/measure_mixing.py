"""Measures how grouping by length mixes and pads batches: `measure_mixing.py FILE`.

FILE is JSON in SQuAD layout. Each question counts as one window of at most 384 tokens. The figures
are means over six seeds.
"""

import itertools
import random
import sys
from pathlib import Path

import numpy as np

from squadron.data.sources.squad import read_examples
from squadron.models import backbones, minilm
from squadron.models.batches import LENGTH_MULTIPLE, POOL_BATCHES, group_by_length

BATCH_SIZE = 16
MAX_LENGTH = 384
Groups = list[list[int]]


def main(path: str) -> None:
    """Compares a strict sort by length, a sort with noise, and `group_by_length`."""
    tokenizer = backbones.bare_tokenizer(backbones.load_tokenizer(minilm.NAME))
    texts = [(example.question, example.context) for example in read_examples(Path(path))]
    random.Random(1).shuffle(texts)
    encoded = tokenizer.encode_batch(texts[:8_000])
    lengths = np.array([min(MAX_LENGTH, len(encoding.ids)) for encoding in encoded])
    ways = {
        "strict sort": lambda some, seed: sort_with_noise(some, seed, noise=0),
        "padded length": lambda some, seed: group_by_length(some, BATCH_SIZE, seed),
        "noise of 16 tokens": lambda some, seed: sort_with_noise(some, seed, noise=16),
    }
    for count in (200, 500, 1_000, len(lengths)):
        some = lengths[:count]
        for name, group in ways.items():
            epochs = [(group(some, seed), group(some, seed + 1_000)) for seed in range(6)]
            again = np.mean([share_of_pairs_in_both(*both) for both in epochs])
            real = np.mean([share_of_real_tokens(both[0], some) for both in epochs])
            print(f"{count:5} windows, {name:18}: {again:6.1%} meet again, {real:6.1%} are real")


def sort_with_noise(lengths: np.ndarray, seed: int, noise: float) -> Groups:
    """Returns pools as `group_by_length` draws them, sorted by length plus noise."""
    draw = np.random.default_rng(seed)
    order, pool = draw.permutation(len(lengths)), BATCH_SIZE * POOL_BATCHES
    groups: Groups = []
    for start in range(0, len(order), pool):
        rows = order[start : start + pool]
        keys = lengths[rows] + draw.uniform(-noise, noise, len(rows))
        rows = rows[np.argsort(-keys, kind="stable")]
        groups += [rows[i : i + BATCH_SIZE].tolist() for i in range(0, len(rows), BATCH_SIZE)]
    return groups


def share_of_pairs_in_both(first: Groups, second: Groups) -> float:
    """Returns the share of pairs in one batch that are in one batch in both orders."""
    pairs = [
        {frozenset(pair) for group in groups for pair in itertools.combinations(group, 2)}
        for groups in (first, second)
    ]
    return len(pairs[0] & pairs[1]) / len(pairs[0])


def share_of_real_tokens(groups: Groups, lengths: np.ndarray) -> float:
    """Returns the tokens of windows and the tokens of their padded batches."""
    padded = sum(
        len(group) * -(-int(lengths[group].max()) // LENGTH_MULTIPLE) * LENGTH_MULTIPLE
        for group in groups
    )
    return float(lengths.sum() / padded)


if __name__ == "__main__":
    main(*sys.argv[1:])
