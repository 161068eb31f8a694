"""Measures the seconds of scoring, ours and official, and of all figures of one split.

    python benchmarks/bench_scoring.py DATA.json PREDICTIONS.json [--output FILE.json]

There are three figures, each the median of repetitions in turns, in this process, on one core:

- ours against official: both start from the same parsed JSON in memory and must give the same
  figures to the last digit. The official side is `tests/reference_squad.py`, which normalises every
  answer again for each comparison, as the official script does. Reading and parsing the files,
  which takes both the same time, is left out.
- all parts: from the parsed JSON to EM, F1, HasAns and NoAns, the search of the best thresholds,
  intervals of EM and F1, and the breakdown by kinds of questions with its intervals. Null odds are
  drawn at random, because their values do not change the time. BERTScore is left out.
- oracle: the best of 20 spans of each context, drawn at random.
"""

import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

from benchmarks.measure import at_most, finish, make_parser, medians, read_questions, take_turns
from squadron.scores import metrics, significance
from squadron.scores.oracle import oracle_scores
from squadron.scores.scoring import score_parsed
from tests.reference_squad import plain_evaluation

WANTED_SECONDS = 1.0
"""The target for all parts together."""
CANDIDATES = 20
LONGEST_WORDS = 8


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints and writes the report."""
    parser = make_parser(__doc__, repeat=9)
    parser.add_argument("data", type=Path, help="DATA.json, SQuAD v1.1 or v2.0 layout")
    parser.add_argument("predictions", type=Path, help="PREDICTIONS.json, id to answer text")
    options = parser.parse_args(arguments)

    dataset = json.loads(options.data.read_bytes())
    predictions = json.loads(options.predictions.read_bytes())
    ours = score_parsed(dataset, predictions).summary
    official = plain_evaluation(dataset, predictions)
    if ours != official:
        sys.exit(f"The results differ: ours {ours}, official {official}")
    examples = read_questions(options.data)
    texts = [predictions.get(name) for name in examples["id"].to_pylist()]
    random = np.random.default_rng(1)
    odds = dict(zip(examples["id"].to_pylist(), random.random(len(texts)).tolist(), strict=True))
    windows = random.integers(1, 4, len(texts))
    golds = [[answer["text"] for answer in some] for some in examples["answers"].to_pylist()]
    candidates = draw_spans(examples["context"].to_pylist(), random)

    # The first run has logged which ids are missing. Later runs are silent, so that logging is not
    # measured.
    logging.disable(logging.WARNING)
    if len(texts) != ours["total"]:
        sys.exit(f"{options.data}: {len(texts)} of {ours['total']} questions are valid examples")
    seconds = take_turns(
        {
            "ours": lambda: score_parsed(dataset, predictions),
            "official": lambda: plain_evaluation(dataset, predictions),
            "all parts": lambda: score_all(dataset, predictions, odds, examples, texts, windows),
            "oracle": lambda: oracle_scores(golds, candidates),
        },
        options.repeat,
    )
    logging.disable(logging.NOTSET)
    median = medians(seconds)
    ratio = median["official"] / median["ours"]
    print(f"{ours['total']} questions, median of {options.repeat} repetitions in turns")
    print(f"squadron  {median['ours']:.4f} s")
    print(f"official  {median['official']:.4f} s")
    print(f"ratio     {ratio:.1f}x")
    print(f"all parts {median['all parts']:.4f} s")
    print(f"oracle    {median['oracle']:.4f} s, {CANDIDATES} candidates each")
    report = {
        "benchmark": "scoring",
        "data": options.data.name,
        "predictions": options.predictions.name,
        "questions": ours["total"],
        "seconds_median": median,
        "ratio": ratio,
        "seconds": seconds,
        "result": ours,
    }
    name = f"scoring {ours['total']} questions with all parts"
    finish(report, [at_most(name, median["all parts"], WANTED_SECONDS, "s")], options)


def score_all(
    dataset: Any,
    predictions: dict[str, str],
    odds: dict[str, float],
    examples: Any,
    texts: list[str | None],
    windows: Any,
) -> Any:
    """Returns all figures of a split without BERTScore: the official ones and the breakdown."""
    import pyarrow as pa

    from squadron.artifacts import SCORES
    from squadron.scores.breakdown import break_down

    summary = score_parsed(dataset, predictions, odds).summary
    golds = [[answer["text"] for answer in some] for some in examples["answers"].to_pylist()]
    exact, f1 = metrics.score_answers(golds, texts)
    paragraph = significance.cluster_numbers(examples["context"].to_pylist())
    titles = significance.number_groups(examples["title"].to_pylist())
    columns = [examples["id"], *map(pa.array, (paragraph, titles, exact, f1))]
    # Its first row, of all questions, has the intervals of the split.
    return summary, break_down(examples, pa.Table.from_arrays(columns, schema=SCORES), windows)


def draw_spans(contexts: Sequence[str], random: Any) -> list[list[str]]:
    """Draws spans of whole words, the same number in each context."""
    spans = []
    for context in contexts:
        words = context.split()
        starts = random.integers(0, len(words), CANDIDATES).tolist()
        lengths = random.integers(1, LONGEST_WORDS, CANDIDATES).tolist()
        spans.append(
            [
                " ".join(words[start : start + length])
                for start, length in zip(starts, lengths, strict=True)
            ]
        )
    return spans


if __name__ == "__main__":
    main()
