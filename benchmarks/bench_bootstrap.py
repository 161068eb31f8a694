"""Time the bootstrap of `squadron.significance` on the paragraphs of a data file.

    python benchmarks/bench_bootstrap.py DATA.json [--output FILE.json]

Scores are made up (contenders that are right on seven questions of ten), paragraphs are those of
the file. Measured are the comparison of one pair, of one contender with eight others, and the
intervals of two figures; all of them draw `significance.RESAMPLES` times. The other side compares
the pair with `Generator.multinomial`, the plain way to draw counts, and must find the same interval
but for the luck of the draws. Draws and counts are one thread's work; `processor_seconds` of the
pair are over all threads.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks.measure import at_most, finish, make_parser, medians, read_questions, take_turns
from squadron import significance

SECONDS = 0.5
OTHERS = 8


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints and writes the report."""
    parser = make_parser(__doc__)
    parser.add_argument("data", type=Path, help="DATA.json, SQuAD v1.1 or v2.0 layout")
    options = parser.parse_args(arguments)

    contexts = read_questions(options.data)["context"].to_pylist()
    clusters = significance.cluster_numbers(contexts)
    random = np.random.default_rng(13)
    first, *others = 100.0 * (random.random((OTHERS + 1, len(clusters))) < 0.7)

    def multinomial() -> tuple[float, float]:
        """The interval of the pair's difference; counts of all draws at once."""
        sums, sizes = np.bincount(clusters, weights=first - others[0]), np.bincount(clusters)
        chances = np.full(len(sizes), 1.0 / len(sizes))
        drawn = np.random.default_rng(significance.SEED).multinomial(
            len(sizes), chances, size=significance.RESAMPLES
        )
        times = drawn.astype(np.float64)
        low, high = np.quantile((times @ sums) / (times @ sizes), [0.025, 0.975])
        return float(low), float(high)

    sides = {
        "pair": lambda: significance.compare(first, others[0], clusters),
        "eight_pairs": lambda: significance.compare_all(first, others, clusters),
        "intervals": lambda: significance.intervals([first, others[0]], clusters),
        "multinomial": multinomial,
    }
    before = time.process_time()
    pair = significance.compare(first, others[0], clusters)
    processor = time.process_time() - before
    low, high = multinomial()
    if max(abs(pair.low - low), abs(pair.high - high)) > 0.1 * (high - low):
        sys.exit(f"The intervals differ: {pair.low} to {pair.high}, multinomial {low} to {high}")
    seconds = take_turns(sides, options.repeat)
    median = medians(seconds)
    paragraphs = int(clusters.max()) + 1
    print(
        f"{len(clusters)} questions, {paragraphs} paragraphs, {significance.RESAMPLES} resamples, "
        f"median of {options.repeat}"
    )
    for name, figure in median.items():
        print(f"{name:12s} {figure * 1000:8.1f} ms")
    report = {
        "benchmark": "bootstrap",
        "data": options.data.name,
        "questions": len(clusters),
        "paragraphs": paragraphs,
        "resamples": significance.RESAMPLES,
        "processor_seconds": processor,
        "seconds_median": median,
        "seconds": seconds,
    }
    targets = [
        at_most("bootstrap of a pair", median["pair"], SECONDS, "s"),
        at_most(f"bootstrap of {OTHERS} pairs", median["eight_pairs"], SECONDS, "s"),
        at_most("bootstrap of two intervals", median["intervals"], SECONDS, "s"),
    ]
    finish(report, targets, options)


if __name__ == "__main__":
    main()
