"""Measures the seconds of the comparisons of `squadron.scores.significance` on a data file.

    python benchmarks/bench_significance.py DATA.json [--output FILE.json]

The scores are random (contenders are right on seven questions of ten), and the paragraphs are those
of the file. It measures races of 2 and of 12 contenders, as register compares them, and the
intervals of EM and F1 of one contender. All races take `significance.RESAMPLES` sign patterns. The
other side compares the race of 2 with `Generator.choice` for each sign, which is the simple way to
draw them. It must find the same p, except for the chance of the draws. `processor_seconds` of the
race of 12 are the sum over all threads.
"""

import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks.measure import at_most, finish, make_parser, medians, read_questions, take_turns
from squadron.scores import significance

SECONDS = 1.0
CONTENDERS = 12


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints and writes the report."""
    parser = make_parser(__doc__)
    parser.add_argument("data", type=Path, help="DATA.json, SQuAD v1.1 or v2.0 layout")
    options = parser.parse_args(arguments)

    contexts = read_questions(options.data)["context"].to_pylist()
    clusters = significance.cluster_numbers(contexts)
    random = np.random.default_rng(13)
    scores = list(100.0 * (random.random((CONTENDERS, len(clusters))) < 0.7))

    def plain() -> float:
        """The p of a race of 2."""
        lead_C = np.bincount(clusters, scores[0] - scores[1])
        signs = np.random.default_rng(significance.SEED).choice(
            np.array([-1.0, 1.0]), size=(significance.RESAMPLES, len(lead_C))
        )
        return float((np.abs(signs @ lead_C) >= abs(lead_C.sum()) - 1e-6).mean())

    sides = {
        "two": lambda: significance.compare_all(scores[:2], 0, clusters),
        "twelve": lambda: significance.compare_all(scores, 0, clusters),
        "intervals": lambda: [significance.interval(each, clusters) for each in scores[:2]],
        "plain_two": plain,
    }
    before = time.process_time()
    significance.compare_all(scores, 0, clusters)
    processor = time.process_time() - before
    (pair,) = significance.compare_all(scores[:2], 0, clusters)
    paragraphs = int(clusters.max()) + 1
    # Below 8 paragraphs nothing is compared. Five standard errors of two shares of draws.
    luck = 5 * math.sqrt(2 * 0.25 / significance.RESAMPLES)
    if paragraphs >= significance.LEAST_CLUSTERS and abs(pair.p - plain()) > luck:
        sys.exit(f"The p differ: {pair.p}, drawn plainly {plain()}")
    seconds = take_turns(sides, options.repeat)
    median = medians(seconds)
    print(
        f"{len(clusters)} questions, {paragraphs} paragraphs, {significance.RESAMPLES} sign "
        f"patterns, median of {options.repeat}"
    )
    for name, figure in median.items():
        print(f"{name:12s} {figure * 1000:8.1f} ms")
    report = {
        "benchmark": "significance",
        "data": options.data.name,
        "questions": len(clusters),
        "paragraphs": paragraphs,
        "sign_patterns": significance.RESAMPLES,
        "processor_seconds": processor,
        "seconds_median": median,
        "seconds": seconds,
    }
    targets = [
        at_most("comparisons in a race of 2", median["two"], SECONDS, "s"),
        at_most(f"comparisons in a race of {CONTENDERS}", median["twelve"], SECONDS, "s"),
        at_most("intervals of two figures", median["intervals"], SECONDS, "s"),
    ]
    finish(report, targets, options)


if __name__ == "__main__":
    main()
