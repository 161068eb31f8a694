"""Time `squadron.scoring` against the official evaluation on one data and predictions file.

    python benchmarks/bench_scoring.py DATA.json PREDICTIONS.json [--output FILE.json]

Both sides start from the same parsed JSON in memory, run in this process in turns, and must give
the same figures to the last digit. The official side is `tests/reference_squad.py`: every answer
is normalised anew for each comparison, as in the official script. The time of reading and parsing
the files, the same for both, is left out.
"""

import argparse
import json
import logging
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from squadron.scoring import score_parsed  # noqa: E402
from tests.reference_squad import plain_evaluation  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="DATA.json, SQuAD v1.1 or v2.0 layout")
    parser.add_argument("predictions", type=Path, help="PREDICTIONS.json, id to answer text")
    parser.add_argument("--output", type=Path, help="write the report to this JSON file")
    parser.add_argument("--repetitions", type=int, default=9, help="of each side, 5 or more")
    arguments = parser.parse_args()
    if arguments.repetitions < 5:
        parser.error(f"--repetitions is {arguments.repetitions}; give 5 or more")

    dataset = json.loads(arguments.data.read_bytes())
    predictions = json.loads(arguments.predictions.read_bytes())
    ours = score_parsed(dataset, predictions).summary
    official = plain_evaluation(dataset, predictions)
    if ours != official:
        sys.exit(f"The results differ: ours {ours}, official {official}")

    # The first run has said which ids are missing; once is enough, and logging isn't measured.
    logging.disable(logging.WARNING)
    our_seconds = []
    official_seconds = []
    for _ in range(arguments.repetitions):
        our_seconds.append(measure(score_parsed, dataset, predictions))
        official_seconds.append(measure(plain_evaluation, dataset, predictions))
    our_median = statistics.median(our_seconds)
    official_median = statistics.median(official_seconds)

    report = {
        "benchmark": "scoring",
        "data": arguments.data.name,
        "predictions": arguments.predictions.name,
        "questions": ours["total"],
        "repetitions": arguments.repetitions,
        "ours_seconds_median": our_median,
        "official_seconds_median": official_median,
        "ratio": official_median / our_median,
        "ours_seconds": our_seconds,
        "official_seconds": official_seconds,
        "result": ours,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "cpu": name_cpu(),
        "cpus_allowed": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        **describe_commit(),
    }
    print(f"{ours['total']} questions, median of {arguments.repetitions} repetitions in turns")
    print(f"squadron  {our_median:.4f} s")
    print(f"official  {official_median:.4f} s")
    print(f"ratio     {report['ratio']:.1f}x")
    if arguments.output:
        arguments.output.write_text(json.dumps(report, indent=2) + "\n")


def measure(score, dataset, predictions) -> float:
    start = time.perf_counter()
    score(dataset, predictions)
    return time.perf_counter() - start


def name_cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def describe_commit() -> dict[str, str | bool | None]:
    """The commit measured, and whether tracked or new files of the checkout differ from it."""
    try:
        commit = run_git("rev-parse", "HEAD")
        return {"commit": commit, "uncommitted_changes": bool(run_git("status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "uncommitted_changes": None}


def run_git(*arguments: str) -> str:
    command = ["git", "-C", str(REPOSITORY), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
