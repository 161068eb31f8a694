"""Measures the seconds that importing our modules takes, each in a fresh process.

    python benchmarks/bench_imports.py [--output FILE.json]

The command line must answer at once, so the modules that it imports (configuration, steps) must not
import torch, transformers, mlflow or kfp. Training may import them. The first round fills the
caches of the file system and is not counted. The report also has the start of Python (`python -c
""`).
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import REPOSITORY, at_most, finish, make_parser, medians

LIGHT = ("squadron.config", "squadron.steps", "launch.command_line")
HEAVY = ("squadron.models.training",)
LIGHT_SECONDS = 0.3
CODE = """
import sys, time
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
heavy = [m for m in ("torch", "transformers", "mlflow", "kfp") if m in sys.modules]
print(",".join(heavy))
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints and writes the report."""
    parser = make_parser(__doc__)
    parser.add_argument("--modules", nargs="+", default=[*LIGHT, *HEAVY], help="what to import")
    options = parser.parse_args(arguments)

    seconds: dict[str, list[float]] = {name: [] for name in ("(interpreter)", *options.modules)}
    brought: dict[str, str] = {}
    for number in range(options.repeat + 1):
        for name in seconds:
            figure, heavy = start_interpreter() if name == "(interpreter)" else time_import(name)
            brought[name] = heavy
            if number:
                seconds[name].append(figure)
    median = medians(seconds)
    for name, figure in median.items():
        print(f"{figure:8.3f} s  {name}{'  brings ' if brought[name] else ''}{brought[name]}")
    targets = [
        at_most(f"import {name}", median[name], LIGHT_SECONDS, "s")
        for name in LIGHT
        if name in median
    ]
    report = {
        "benchmark": "imports",
        "seconds_median": median,
        "brings": brought,
        "seconds": seconds,
    }
    finish(report, targets, options)


def time_import(module: str) -> tuple[float, str]:
    """Returns the seconds of one import and the heavy packages that it loaded."""
    output = _run(CODE.format(module=module)).split("\n")
    return float(output[0]), output[1]


def start_interpreter() -> tuple[float, str]:
    """Returns the seconds from start to end of a Python that does nothing."""
    start = time.perf_counter()
    _run("")
    return time.perf_counter() - start, ""


def _run(code: str) -> str:
    command = [sys.executable, "-c", code]
    # The folder is where `launch` is found, as it is for pipeline.py.
    return subprocess.run(
        command, capture_output=True, text=True, check=True, cwd=REPOSITORY
    ).stdout


if __name__ == "__main__":
    main()
