"""Measures what the DAG itself costs: a local run without the work of its steps and imports.

    python benchmarks/bench_dag.py [--output FILE.json]

It runs `pipeline.py run experiments/example.yaml` in an empty folder, with two contenders, one
short epoch and few questions. Then it runs the race again, with every step but open_race and
close_race from the cache. Each process notes its start and end, its outermost imports and the time
inside the function of the step (step_times/sitecustomize.py). Steps run one after the other, so
with

    end(i)       the end of step i's process,
    inside(i)    seconds inside its function (with what the function imports),
    imports(i)   seconds of imports before and after it,

    cost(i) = end(i) - end(i - 1) - inside(i) - imports(i)

is what the DAG adds for step i: starting a copy of the loaded process (launch/step_processes.py),
kfp's executor, reading and writing its parameters and artifacts, cache keys, and the end of the
process before. For the first step, end(0) is its own start. The cost has three parts:

- `launch`: from the end of the step before to the first line of this process. The clock of a
  process stops before Python tears it down, so that time is included here.
- `enter`: from there to the function.
- `leave`: from the function to the end.

`processor` is the processor time of a step's process, which other work on the machine changes
little. Two more figures cover the rest of a run: `before`, from the command to the first step
without imports, and `after`, from the last step to the end. The sum of before, after, all costs,
all inside and all imports is the whole run.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import REPOSITORY, at_most, finish, make_parser

MOST_SECONDS_A_STEP = 1.0
HOOK = Path(__file__).resolve().parent / "step_times"
SETTINGS = (
    "contenders=[span, pretrained]",
    "train.epochs=1",
    "windows.max_length=128",
    "windows.stride=32",
    "data.max_train_examples=64",
    "data.max_tune_examples=16",
    "data.max_select_examples=16",
    "data.max_test_examples=16",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints and writes the report."""
    parser = make_parser(__doc__)
    parser.add_argument("--fresh", type=int, default=1, help="runs from nothing; --repeat: cached")
    options = parser.parse_args(arguments)

    fresh = []
    for _ in range(options.fresh):
        # The cached runs use the last folder.
        place = tempfile.TemporaryDirectory()
        fresh.append(run_race(Path(place.name)))
    with place:
        cached = [run_race(Path(place.name)) for _ in range(options.repeat)]

    costs = [step["cost"] for run in fresh for step in run["steps"]]
    mean = statistics.mean(costs)
    first = fresh[-1]
    for step in first["steps"]:
        print(
            f"{step['step']:11s} cost {step['cost']:6.3f} s (launch {step['launch']:.3f}, "
            f"enter {step['enter']:.3f}, leave {step['leave']:.3f}), "
            f"inside {step['inside']:7.3f} s, imports {step['imports']:6.3f} s, "
            f"processor {step['processor']:6.2f} s"
        )
    print(f"{len(first['steps'])} steps, cost {mean:.3f} s each (at most {max(costs):.3f} s)")
    whole = {}
    for name, runs in (("fresh", fresh), ("cached", cached)):
        whole[name] = {
            key: statistics.median(run[key] for run in runs)
            for key in ("seconds", "before", "costs", "after", "inside", "imports")
        }
        print(
            f"{name:7s}" + ", ".join(f"{key} {value:.2f} s" for key, value in whole[name].items())
        )
    report = {
        "benchmark": "dag",
        "settings": SETTINGS,
        "steps": len(first["steps"]),
        "cost_seconds_mean": mean,
        "cost_seconds_median": statistics.median(costs),
        "cost_seconds_most": max(costs),
        "medians": whole,
        "fresh_runs": fresh,
        "cached_runs": cached,
    }
    # A run has a dozen steps, so the mean of even one run is over enough of them.
    wanted = at_most("cost of a step, mean", mean, MOST_SECONDS_A_STEP, "s")
    finish(report, [wanted], options, enough=1)


def run_race(folder: Path) -> dict[str, Any]:
    """Runs the race in a folder, which may be a repeat; returns where its time went, in seconds."""
    corpus = REPOSITORY / "examples" / "corpus.json"
    overrides = [f"--set={setting}" for setting in (f"data.train=[{corpus}]", *SETTINGS)]
    command = [
        sys.executable,
        str(REPOSITORY / "pipeline.py"),
        "run",
        str(REPOSITORY / "experiments" / "example.yaml"),
        *overrides,
    ]
    # The run must not use a store or folders of the caller.
    own = {k: v for k, v in os.environ.items() if not k.startswith(("MLFLOW_", "SQUADRON_"))}
    with tempfile.TemporaryDirectory() as notes:
        own["SQUADRON_BENCHMARK_TIMES"] = notes
        own["PYTHONPATH"] = os.pathsep.join([str(HOOK), *filter(None, [own.get("PYTHONPATH")])])
        started = time.time()
        process = subprocess.Popen(
            command, cwd=folder, env=own, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        _, errors = process.communicate()
        ended = time.time()
        if process.returncode:
            log = folder / "runs" / "pipeline.log"
            detail = errors.decode() + (log.read_text() if log.exists() else "")
            sys.exit(f"The race failed with code {process.returncode}:\n{detail[-3000:]}")
        parent = json.loads((Path(notes) / f"{process.pid}.json").read_text())
        everyone = [json.loads(path.read_text()) for path in Path(notes).glob("*.json")]
    return share_out(started, ended, parent, everyone)


def share_out(
    started: float, ended: float, parent: dict[str, Any], everyone: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """Returns the seconds by purpose from the notes of all processes, as the file's docstring says.

    Args:
        started: Of the command, seconds since the epoch.
        ended: Likewise.
        parent: Notes of the process that runs pipeline.py.
        everyone: Notes of all processes; those that ran no step are passed over.
    """
    steps = []
    rows = sorted(
        (row for row in everyone if row is not parent and row["functions"]),
        key=lambda row: row["started"],
    )
    first = before = rows[0]["started"]
    for row in rows:
        (name, start, end), *_ = row["functions"]
        imports = sum(b - a for a, b in row["imports"] if not start <= a < end)
        # The launcher, too, imports some modules between steps.
        imports += _overlap(parent["imports"], before, row["ended"])
        inside = end - start
        cost = row["ended"] - before - inside - imports
        launch = row["started"] - before - _overlap(parent["imports"], before, row["started"])
        steps.append(
            {
                "step": name,
                "cost": cost,
                "launch": launch,
                "enter": start - row["started"] - _overlap(row["imports"], row["started"], start),
                "leave": row["ended"] - end - _overlap(row["imports"], end, row["ended"]),
                "inside": inside,
                "imports": imports,
                "processor": row["processor"],
            }
        )
        before = row["ended"]
    outside = {
        "before": first - started - _overlap(parent["imports"], started, first),
        "after": ended - before - _overlap(parent["imports"], before, ended),
    }
    sums = {key: sum(step[key] for step in steps) for key in ("cost", "inside", "imports")}
    imports = ended - started - sum(outside.values()) - sums["cost"] - sums["inside"]
    return {
        "seconds": ended - started,
        **outside,
        "costs": sums["cost"],
        "inside": sums["inside"],
        "imports": imports,
        "steps": steps,
    }


def _overlap(spans: Sequence[Sequence[float]], first: float, last: float) -> float:
    """Returns the seconds of the spans that lie between two times."""
    return sum(max(0.0, min(end, last) - max(start, first)) for start, end in spans)


if __name__ == "__main__":
    main()
