"""Time `squadron.scoring` against the official evaluation on one data and predictions file.

    python benchmarks/bench_scoring.py DATA.json PREDICTIONS.json [--output FILE.json]

Both sides start from the same parsed JSON in memory, run in this process in turns, and must give
the same figures to the last digit. The official side is `tests/reference_squad.py`: every answer
is normalised anew for each comparison, as in the official script. The time of reading and parsing
the files, the same for both, is left out.
"""

import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import finish, make_parser, medians, take_turns
from squadron.scoring import score_parsed
from tests.reference_squad import plain_evaluation


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

    # The first run has said which ids are missing; once is enough, and logging isn't measured.
    logging.disable(logging.WARNING)
    seconds = take_turns(
        {
            "ours": lambda: score_parsed(dataset, predictions),
            "official": lambda: plain_evaluation(dataset, predictions),
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
    finish(report, [], options)


if __name__ == "__main__":
    main()
