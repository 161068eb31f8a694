"""Measures time and memory of choosing answers from the candidates of 10,000 and 100,000 windows.

    python benchmarks/bench_answers.py DATA.json [--output FILE.json]

Every question has two windows that overlap, and every window has 20 candidates. They are drawn by a
seed from the words of the real contexts of DATA.json, which are repeated. The two windows share
half of their candidates and the right answer, which is the best candidate of six questions in ten.
Each side runs in a process of its own:

- window, lowest_null: one answer per question from the Parquet file of candidates, by either answer
  rule. Candidates are merged, ranked and cut at a threshold (`ranking.rank_parts`, `best_texts`,
  `apply_threshold`). The questions have been read before.
- evaluate: the step itself (`steps.evaluate`, without MLflow) with the same candidates as its test
  split. It makes answers, n best, official figures, intervals, kinds of errors and all files. Its
  imports count, too. It runs once.

The targets: the answers of the larger size take at most 5 seconds on one core, and at most 100 MB
more memory than those of the smaller size. Memory is the peak minus what was held before
(`measure.watch_memory`): the ranked candidates of all questions and one part of the file. In
evaluate, it includes the questions.
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measure import (
    at_most,
    finish,
    give_result,
    make_parser,
    measure,
    medians,
    read_questions,
    run_child,
    watch_memory,
)
from squadron import steps
from squadron.config import Contender, Evaluate, to_json

if TYPE_CHECKING:
    import pyarrow as pa

SIZES = (10_000, 100_000)
N_BEST = 20
SHARED = 10
"""How many candidates of a window its neighbour has, too."""
GOLD = N_BEST - SHARED // 2
"""The place of the right answer among the spans of a question: one of the shared ones."""
RIGHT = 0.6
MOST_SECONDS = 5.0
MOST_GROWTH_MB = 100.0
MADE_FROM = "benchmark"
SIDES = {
    "window": ("--rule", "window", "--answer-in"),
    "lowest_null": ("--rule", "lowest_null", "--answer-in"),
    "evaluate": ("--evaluate-in",),
}
"""The options with which this script is one of the sides."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures, prints and writes the report. With a hidden option, it is the measured process."""
    parser = make_parser(__doc__, repeat=3)
    parser.add_argument("data", type=Path, help="DATA.json, SQuAD v1.1 or v2.0 layout")
    parser.add_argument("--sizes", type=int, nargs=2, default=SIZES, help="windows, few and many")
    parser.add_argument("--answer-in", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--rule", default="window", help=argparse.SUPPRESS)
    parser.add_argument("--evaluate-in", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.answer_in:
        give_result(answer_in(options.answer_in, options.rule))
        return
    if options.evaluate_in:
        give_result(evaluate_in(options.evaluate_in))
        return
    if options.sizes[0] >= options.sizes[1]:
        parser.error("--sizes: the first must be the smaller")

    runs = run_sides(options)
    few, many = options.sizes
    report: dict[str, Any] = {
        "benchmark": "answers",
        "data": options.data.name,
        "windows": list(options.sizes),
        "candidates_per_window": N_BEST,
    }
    for side in SIDES:
        for name in ("seconds", "growth_mb"):
            by_size = {size: [run[name] for run in runs[side, size]] for size in options.sizes}
            if None not in by_size[few]:
                report.setdefault(side, {})[name] = {str(k): v for k, v in medians(by_size).items()}
        for size in options.sizes:
            shown = ", ".join(f"{name} {by[str(size)]:.2f}" for name, by in report[side].items())
            print(f"{side:12s} {size:7,} windows: {shown}")
    report["runs"] = {f"{side} {size}": some for (side, size), some in runs.items()}
    targets = []
    for rule in ("window", "lowest_null"):
        name, found = f"answers by {rule}", report[rule]
        targets.append(at_most(name, found["seconds"][str(many)], MOST_SECONDS, "s"))
        if "growth_mb" in found:
            more = found["growth_mb"][str(many)] - found["growth_mb"][str(few)]
            targets.append(at_most(f"{name}, more memory", more, MOST_GROWTH_MB, "MB"))
    finish(report, targets, options, enough=3)


def run_sides(options: argparse.Namespace) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """Returns the figures of all runs of each side and size, each run in a process of its own."""
    runs: dict[tuple[str, int], list[dict[str, Any]]] = {
        (side, size): [] for side in SIDES for size in options.sizes
    }
    with tempfile.TemporaryDirectory() as place:
        folders = {size: Path(place) / str(size) for size in options.sizes}
        for size, folder in folders.items():
            prepare(folder, options.data, size)
        for number in range(options.repeat):
            for side, size in runs:
                if side == "evaluate" and number:
                    continue
                script = Path(__file__).resolve()
                child = run_child(script, options.data, *SIDES[side], folders[size])
                runs[side, size].append(child)
    return runs


def prepare(folder: Path, data: Path, size: int) -> None:
    """Writes examples, candidates and status as ingest and predict do, `size` windows in test."""
    import numpy as np
    import pyarrow as pa

    questions = read_questions(data)
    count = size // 2
    rows = np.arange(count) % len(questions)
    ids = pa.array([f"{number:024x}" for number in range(count)])
    examples = questions.take(rows).set_column(0, "id", ids)
    small = examples.slice(0, min(count, 100))
    tables = {"tune": small, "select": small, "test": examples}
    write_examples(folder / "examples", tables)
    likely_QS2 = draw_spans(questions)[rows]
    for name, table in tables.items():
        path = folder / "candidates" / f"{name}.parquet"
        write_candidates(path, table["id"].to_pylist(), likely_QS2[: len(table)])
    write_status(folder / "candidates")


def write_examples(folder: Path, tables: "Mapping[str, pa.Table]") -> None:
    """Writes the examples of each split and validation.json as ingest does."""
    from squadron.artifacts import write_record, write_table
    from squadron.data.validation_file import (
        Findings,
        LeakageSummary,
        TitleGroups,
        TrainOnlySummary,
        Validation,
    )

    for name, table in tables.items():
        write_table(folder / f"{name}.parquet", table, schema="examples/1", made_from=MADE_FROM)
    count = sum(map(len, tables.values()))
    nothing = TitleGroups(0, ())
    validation = Validation(
        made_from=MADE_FROM,
        findings=Findings(count, count, 0, {}, {}, {}, (), {}),
        figures={},
        split_by="title",
        splits={},
        leakage=LeakageSummary("paragraph", 0.0, {}, {}, nothing, nothing),
        train_only=TrainOnlySummary(0, 0),
    )
    write_record(folder / "validation.json", validation)


def write_status(folder: Path) -> None:
    """Writes status.json as predict does."""
    from squadron.artifacts import write_record
    from squadron.steps._status import Status

    write_record(folder / "status.json", Status(MADE_FROM))


def draw_spans(questions: Any) -> Any:
    """Draws spans of up to five words of each context, in characters: shape (Q, S, 2)."""
    import numpy as np

    random = np.random.default_rng(13)
    count = 2 * N_BEST - SHARED
    golds = questions["answers"].to_pylist()
    drawn = np.zeros((len(questions), count, 2), np.int32)
    for number, context in enumerate(questions["context"].to_pylist()):
        edges = np.array([match.span() for match in re.finditer(r"\S+", context)])
        chosen = np.sort(random.choice(len(edges) * 5, count, replace=len(edges) * 5 < count))
        start = chosen // 5
        end = np.minimum(start + chosen % 5, len(edges) - 1)
        drawn[number] = np.stack([edges[start, 0], edges[end, 1]], axis=1)
        for gold in golds[number][:1]:
            drawn[number, GOLD] = gold["start_char"], gold["start_char"] + len(gold["text"])
    return drawn


def write_candidates(path: Path, ids: list[str], likely_QS2: Any) -> None:
    """Writes the candidates of two windows for each question, in row groups of 1,000 questions."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from squadron.artifacts import CANDIDATES

    random = np.random.default_rng(13)
    path.parent.mkdir(parents=True, exist_ok=True)
    about = {"squadron.schema": "candidates/1", "squadron.made_from": MADE_FROM}
    with pq.ParquetWriter(path, CANDIDATES.with_metadata(about)) as writer:
        for first in range(0, len(ids), 1000):
            some = likely_QS2[first : first + 1000]
            windows = np.stack([some[:, :N_BEST], some[:, -N_BEST:]], axis=1)
            place = random.random(windows.shape[:3])
            right = random.random(len(some)) < RIGHT
            place[right, 0, GOLD] = place[right, 1, GOLD - N_BEST + SHARED] = -1.0
            order = place.argsort(axis=2)
            spans = np.take_along_axis(windows, order[..., None], axis=2).reshape(-1, 2)
            score = -np.sort(-random.normal(0.0, 5.0, windows.shape[:3]).astype(np.float32), axis=2)
            null = random.normal(0.0, 3.0, windows.shape[:2]).astype(np.float32)
            count = len(some)
            columns = [
                pa.array(ids[first : first + 1000]).take(np.repeat(np.arange(count), 2 * N_BEST)),
                pa.array(np.tile(np.repeat(np.arange(2, dtype=np.int32), N_BEST), count)),
                pa.array(np.tile(np.arange(N_BEST, dtype=np.int32), 2 * count)),
                pa.array(spans[:, 0]),
                pa.array(spans[:, 1]),
                pa.array(score.ravel()),
                pa.array(np.repeat(null.ravel(), N_BEST)),
            ]
            table = pa.Table.from_arrays(columns, schema=CANDIDATES)
            writer.write_table(table.replace_schema_metadata(about))


def answer_in(folder: Path, rule: str) -> dict[str, float | None]:
    """Answers the test split; returns the seconds and the growth of the memory."""
    from squadron.answers import ranking
    from squadron.artifacts import read_parts, read_table
    from squadron.scores.evaluation import Questions

    examples = read_table(folder / "examples" / "test.parquet", schema="examples/1")
    questions = Questions.read(examples)

    def answer() -> list[str]:
        parts = read_parts(folder / "candidates" / "test.parquet", schema="candidates/1")
        ranked = ranking.rank_parts(parts, questions.ids, rule)
        texts = ranking.best_texts(ranked, questions.contexts)
        return ranking.apply_threshold(texts, ranked.best_score(), 5.0)

    with watch_memory() as memory:
        seconds = measure(answer)
    return {"seconds": seconds, **memory}


def evaluate_in(folder: Path) -> dict[str, float | None]:
    """Runs the step evaluate; returns the seconds and the growth of the memory."""
    with watch_memory() as memory:
        seconds = measure(lambda: evaluate(folder))
    return {"seconds": seconds, **memory}


def evaluate(folder: Path) -> None:
    """Runs the step evaluate on the candidates in a folder."""
    steps.evaluate(
        settings=to_json(Evaluate()),
        contender=to_json(Contender("span")),
        examples=folder / "examples",
        candidates=folder / "candidates",
        evaluation=folder / "evaluation",
        figures_file=folder / "figures.json",
    )


if __name__ == "__main__":
    main()
