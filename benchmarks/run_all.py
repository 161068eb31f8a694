"""Runs every benchmark, one after the other, and collects figures and targets in one JSON file.

    python benchmarks/run_all.py DATA_FOLDER --output benchmarks/results.json

DATA_FOLDER holds, at any depth, the files named in `FILES` below. About 25 minutes on two cores
(`taskset -c 0,1` on a larger machine); nothing else should run meanwhile.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import describe_environment, describe_target

FILES = {
    "imports": (),
    "scoring": ("dev-v2.0.json", "dev-v2.0-bert-single.json"),
    "featurize": ("dev-v1.1.json",),
    "postprocess": ("dev-v1.1.json",),
    "predict_memory": ("dev-v1.1.json",),
    "memory": ("dev-v1.1.json",),
    "answers": ("dev-v1.1.json",),
    "retrieval": ("dev-v1.1.json",),
    "onnx": ("dev-v1.1.json",),
    "dag": (),
    "crf": (),
    "significance": ("dev-v2.0.json",),
    "table": (),
    "training": ("train-20k.json",),
    "serving": ("dev-v1.1.json",),
}
"""Each benchmark and the files that it gets."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs all benchmarks; returns 1 if one failed, else 0, also if targets were missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data_folder", type=Path, help="where the data files lie, at any depth")
    parser.add_argument("--output", type=Path, help="write figures and targets to this JSON file")
    parser.add_argument("--only", nargs="+", choices=FILES, default=list(FILES))
    parser.add_argument("--repeat", type=int, help="of every benchmark; each has its own default")
    options = parser.parse_args(arguments)
    wanted = sorted({name for benchmark in options.only for name in FILES[benchmark]})
    places = {name: find_file(options.data_folder, name) for name in wanted}
    missing = [name for name, place in places.items() if place is None]
    if missing:
        parser.error(f"{options.data_folder} does not hold {', '.join(missing)}")

    started = time.monotonic()
    results, failed = {}, []
    for name in options.only:
        print(f"== {name}", flush=True)
        before = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "report.json"
            script = Path(__file__).with_name(f"bench_{name}.py")
            command = [sys.executable, script, *(places[file] for file in FILES[name])]
            command += ["--output", output]
            if options.repeat:
                command += ["--repeat", options.repeat]
            code = subprocess.run([str(part) for part in command]).returncode
            if code:
                failed.append(name)
                continue
            report = json.loads(output.read_text())
        # The environment is the same for all of them.
        report.pop("environment")
        results[name] = {**report, "seconds_in_all": time.monotonic() - before}

    targets = [target for report in results.values() for target in report["targets"]]
    seconds = time.monotonic() - started
    print(f"== targets, after {seconds / 60:.1f} minutes")
    for target in targets:
        print(describe_target(target))
    for name in failed:
        print(f"FAILED    {name}")
    if options.output:
        content = {
            "environment": describe_environment(),
            "seconds_in_all": seconds,
            "failed": failed,
            "targets": targets,
            "benchmarks": results,
        }
        options.output.write_text(json.dumps(content, indent=2) + "\n")
    return 1 if failed else 0


def find_file(folder: Path, name: str) -> Path | None:
    """Finds a file by its name in a folder and below; the one nearest to the top is taken."""
    found = sorted(folder.rglob(name), key=lambda path: (len(path.parts), path))
    return found[0] if found else None


if __name__ == "__main__":
    sys.exit(main())
