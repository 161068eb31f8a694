"""Converts the winner of a race to the format in which it is to be served, and judges that."""

import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from squadron.artifacts import read_table
from squadron.config import TORCH, Register, Serving
from squadron.scores.gate_verdict import GateVerdict
from squadron.scores.served_format import ServedFormat
from squadron.steps._contenders import CHAMPION, Contenders

if TYPE_CHECKING:
    import pyarrow as pa

    from squadron.reader import Reader

TIMED_QUESTIONS = 32
"""How many questions of select are timed."""
ROUNDS = 3


@dataclass(frozen=True)
class Settled:
    """The folder that is registered, and what was found about the formats."""

    model: Path
    formats: tuple[ServedFormat, ...] = ()
    """Torch first; empty if no other format was asked for."""
    gate: GateVerdict | None = None
    """The verdict about the other format; None if none was asked for."""


@contextmanager
def settle_format(
    contenders: Contenders, options: Register, serving: Serving, examples: Path | None
) -> Iterator[Settled]:
    """Yields the winner's folder in the format that is asked for, or in torch if that fails.

    A champion keeps its own format. The folder exists inside the block alone.

    Args:
        contenders: Who races; one of them was not disqualified.
        options: The settings of the step.
        serving: Which format is asked for.
        examples: The folder that ingest wrote; needed for another format than torch.

    Raises:
        InputError: If a package is missing, or the model can't be converted.
    """
    model = contenders.best_model
    if serving.format == TORCH or contenders.best.variant == CHAMPION:
        yield Settled(model)
        return
    if examples is None:
        raise ValueError("a serving format is judged on the examples, which were not given")
    from squadron.models import serving_formats

    select = read_table(examples / "select.parquet", schema="examples/1")
    with tempfile.TemporaryDirectory() as temporary:
        converted = serving_formats.convert(model, Path(temporary) / "model", serving.format)
        formats, gate = _judge(contenders, options, serving, converted, select)
        yield Settled(converted if gate.passed else model, formats, gate)


def _judge(
    contenders: Contenders,
    options: Register,
    serving: Serving,
    converted: Path,
    select: "pa.Table",
) -> tuple[tuple[ServedFormat, ...], GateVerdict]:
    """Returns the figures of torch and of the other format, and the verdict about it."""
    from squadron.judging import judge_examples
    from squadron.models.serving_formats import served_bytes
    from squadron.reader import Reader
    from squadron.registry.format_gate import NAME, keeps_exact_match
    from squadron.registry.gates import BYTES_PER_MEGABYTE
    from squadron.registry.trial import try_alone

    best = contenders.best
    folders = {TORCH: contenders.best_model, serving.format: converted}
    readers = [Reader.load(folder, best.answering) for folder in folders.values()]
    milliseconds = _measure_speed(readers, select.slice(0, TIMED_QUESTIONS))
    of_torch = best.select.exact_match
    exact_match = judge_examples(readers[-1], select).figures.exact_match
    most = serving.max_exact_match_drop
    gate = keeps_exact_match(serving.format, exact_match, of_torch, most)
    if gate.passed and options.gates.loads_alone:
        trouble = try_alone(converted, best.answering)
        if trouble:
            why = f"as {serving.format}, with its own requirements alone, {trouble}"
            gate = GateVerdict(NAME, False, why)
    used = serving.format if gate.passed else TORCH
    formats = tuple(
        ServedFormat(name, figure, speed, served_bytes(folder) / BYTES_PER_MEGABYTE, name == used)
        for (name, folder), figure, speed in zip(
            folders.items(), (of_torch, exact_match), milliseconds, strict=True
        )
    )
    return formats, gate


def _measure_speed(readers: Sequence["Reader"], examples: "pa.Table") -> list[float]:
    """Returns the milliseconds per window of each reader, the median of rounds in turns."""
    windows = max(1, readers[0].count_windows(examples))
    seconds: list[list[float]] = [[] for _ in readers]
    for number in range(ROUNDS + 1):
        for place, reader in enumerate(readers):
            started = time.perf_counter()
            for _ in reader.find_candidates(examples):
                pass
            if number:  # the first round warms up
                seconds[place].append(time.perf_counter() - started)
    return [1000 * statistics.median(each) / windows for each in seconds]
