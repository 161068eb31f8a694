"""What all benchmarks use: sides in turns, child processes, targets, and the environment.

Every ratio comes with the absolute seconds of both sides. The same file also names the machine, the
versions and the commit.
"""

import argparse
import contextlib
import gc
import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
ENOUGH_REPETITIONS = 5
"""With fewer repetitions, figures are shown but no target counts as met or missed."""
RESULT_PREFIX = "@result "
PACKAGES = ("torch", "transformers", "tokenizers", "datasets", "numpy", "pyarrow", "kfp", "mlflow")


def make_parser(docstring: str, *, repeat: int = ENOUGH_REPETITIONS) -> argparse.ArgumentParser:
    """Returns a parser with the options that every benchmark has.

    Args:
        docstring: Of the benchmark; its first line is the description.
        repeat: The default number of repetitions.
    """
    parser = argparse.ArgumentParser(description=docstring.splitlines()[0])
    parser.add_argument("--repeat", type=int, default=repeat, help=f"of each side, now {repeat}")
    parser.add_argument("--output", type=Path, help="write the report to this JSON file")
    return parser


def measure(side: Callable[[], object]) -> float:
    """Returns the seconds of one call. Its result is freed after the clock has stopped."""
    start = time.perf_counter()
    result = side()
    seconds = time.perf_counter() - start
    del result
    return seconds


def take_turns(sides: Mapping[str, Callable[[], object]], repeat: int) -> dict[str, list[float]]:
    """Returns the seconds of each side. Each round has every side once, every other in reverse."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    # A timed call must not include garbage collection of objects that were made before it.
    gc.collect()
    gc.freeze()
    for number in range(repeat):
        for name in list(sides)[:: -1 if number % 2 else 1]:
            seconds[name].append(measure(sides[name]))
    gc.unfreeze()
    return seconds


def medians(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Returns the median of each side."""
    return {name: statistics.median(values) for name, values in seconds.items()}


def run_child(*arguments: object, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Runs this Python on a script in a process of its own; returns what `give_result` gave."""
    command = [sys.executable, *map(str, arguments)]
    run = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **(environment or {})}
    )
    for line in reversed(run.stdout.splitlines()):
        result = read_result(line)
        if run.returncode == 0 and result is not None:
            return result
    sys.exit(f"{' '.join(command)} failed with code {run.returncode}:\n{run.stderr[-3000:]}")


def read_result(line: str) -> dict[str, Any] | None:
    """Returns what `give_result` printed; None for any other line."""
    if not line.startswith(RESULT_PREFIX):
        return None
    return dict(json.loads(line.removeprefix(RESULT_PREFIX)))


def give_result(result: Mapping[str, Any]) -> None:
    """Gives the result of a child process to the process that started it."""
    print(RESULT_PREFIX + json.dumps(result), flush=True)


def at_least(name: str, measured: float, wanted: float, unit: str) -> dict[str, Any]:
    """Returns a target that is met by figures of `wanted` or more."""
    return _target(name, measured, wanted, unit, "at least", measured >= wanted)


def at_most(name: str, measured: float, wanted: float, unit: str) -> dict[str, Any]:
    """Returns a target that is met by figures of `wanted` or less."""
    return _target(name, measured, wanted, unit, "at most", measured <= wanted)


def _target(
    name: str, measured: float, wanted: float, unit: str, relation: str, met: bool
) -> dict[str, Any]:
    wanted_text = f"{relation} {wanted:g} {unit}".strip()
    return {"name": name, "wanted": wanted_text, "measured": measured, "unit": unit, "met": met}


def finish(
    report: dict[str, Any],
    targets: list[dict[str, Any]],
    options: argparse.Namespace,
    *,
    enough: int = ENOUGH_REPETITIONS,
) -> None:
    """Judges and prints the targets, adds the environment, writes the report.

    Args:
        report: The benchmark's own figures.
        targets: Of `at_least` and `at_most`.
        options: Of `make_parser`'s parser.
        enough: With fewer repetitions no target is judged.
    """
    if options.repeat < enough:
        targets = [{**target, "met": None} for target in targets]
    for target in targets:
        print(describe_target(target))
    report = {
        **report,
        "repetitions": options.repeat,
        "targets": targets,
        "environment": describe_environment(),
    }
    if options.output:
        options.output.write_text(json.dumps(report, indent=2) + "\n")


def describe_target(target: Mapping[str, Any]) -> str:
    """Returns one line: name, figure, what was wanted, met or missed."""
    word = {True: "met", False: "MISSED", None: "not judged, too few repetitions"}
    figure = f"{target['measured']:.4g} {target['unit']}".strip()
    return f"target    {target['name']}: {figure}, {target['wanted']} wanted: {word[target['met']]}"


def describe_environment() -> dict[str, Any]:
    """Returns the machine, the versions and the commit of this run."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    return {
        "python": platform.python_version(),
        **versions,
        "cpu": _name_cpu(),
        "cpus_allowed": count_cores(),
        "cpus": os.cpu_count(),
        "system": platform.system(),
        **_describe_commit(),
    }


def count_cores() -> int:
    """Returns how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def peak_rss_bytes() -> int:
    """Returns the peak memory of this process, file pages included (getrusage's maximum)."""
    import resource

    # Linux gives kilobytes, macOS bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@contextlib.contextmanager
def watch_memory() -> Iterator[dict[str, float | None]]:
    """Fills in `growth_mb`: the most that the block held at any time, over what was held before.

    Of memory that no file backs (RssAnon, sampled every 5 ms), freed memory of Arrow's pool given
    back before; None where the system does not tell, as only Linux does.
    """
    import pyarrow as pa

    gc.collect()
    pa.default_memory_pool().release_unused()
    before = read_memory("RssAnon")
    found: dict[str, float | None] = {"growth_mb": None}
    with watch_peaks("RssAnon", every=0.005) as peaks:
        yield found
    if peaks:
        found["growth_mb"] = (peaks["RssAnon"] - before["RssAnon"]) / 1e6


@contextlib.contextmanager
def watch_peaks(*names: str, every: float = 0.02) -> Iterator[dict[str, int]]:
    """Yields the peaks of some figures of memory, which grow until the block ends.

    Args:
        names: As for `read_memory`, which also says what the figures are.
        every: Seconds between two samples.
    """
    peaks = read_memory(*names)
    done = threading.Event()

    def sample() -> None:
        while peaks and not done.wait(every):
            for name, now in read_memory(*names).items():
                peaks[name] = max(peaks[name], now)

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield peaks
    finally:
        done.set()
        sampler.join()


def read_memory(*names: str) -> dict[str, int]:
    """Returns figures of this process's memory in bytes; {} where the system does not tell them.

    Args:
        names: Fields of /proc/self/status, such as "RssAnon", the memory that no file backs.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return {}
    fields = dict(line.partition(":")[::2] for line in status.read_text().splitlines())
    return {name: int(fields[name].split()[0]) * 1024 for name in names}


def read_questions(path: Path) -> Any:
    """Reads a SQuAD file as the table that `ingest` makes of it (`artifacts.EXAMPLES`)."""
    import pyarrow as pa

    from squadron.artifacts import EXAMPLES
    from squadron.data.sources import load_source
    from squadron.data.validation import validate_examples
    from squadron.data.validation_report import Report

    examples = validate_examples(load_source("squad").read_examples(path), Report())
    rows = [
        {
            "id": example.id,
            "title": example.title,
            "question": example.question,
            "context": example.context,
            "answers": [{"text": a.text, "start_char": a.start_char} for a in example.answers],
            "reasoning_type": example.reasoning_type,
        }
        for example in examples
    ]
    return pa.Table.from_pylist(rows, schema=EXAMPLES)


def cut_windows(path: Path, backbone: str) -> tuple[Any, Any]:
    """Returns the windows of a SQuAD file with default settings, and their layout."""
    from squadron.config import Windows
    from squadron.data.layout import read_layout
    from squadron.data.windows import slide_windows
    from squadron.models import backbones

    tokenizer = backbones.load_tokenizer(backbone)
    bare = backbones.bare_tokenizer(tokenizer)
    layout = read_layout(bare, tokenizer.pad_token_id)
    return slide_windows(read_questions(path), bare, layout, Windows())[0], layout


def _name_cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _describe_commit() -> dict[str, str | bool | None]:
    """Returns the measured commit, and whether files of the checkout differ from it."""
    try:
        commit = _run_git("rev-parse", "HEAD")
        return {"commit": commit, "uncommitted_changes": bool(_run_git("status", "--porcelain"))}
    except (OSError, subprocess.CalledProcessError):
        return {"commit": None, "uncommitted_changes": None}


def _run_git(*arguments: str) -> str:
    command = ["git", "-C", str(REPOSITORY), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
