"""Measures the answers to questions whose passage must be found first, and what the choice costs.

    python benchmarks/measure_open_domain.py DATA.json [--questions N] [--model MODEL] [--top-k K]

Every paragraph of DATA.json is a passage, whose heading is the title of its article. For each
question, the K best passages by hybrid search are read, and one of them gives the answer. No
threshold is applied: a question counts as answered by the best span, and only questions with an
answer are asked. The table has exact match (EM) for several rules that choose the passage. A rule
is chosen on the questions of every second title and judged on the others, so there are two columns.

The last row is the reader with the gold passage given: what search can't improve.
"""

import argparse
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.bench_retrieval import make_documents
from benchmarks.measure import read_questions
from squadron.open_domain import PassageAnswer, answer_questions, weigh_passage
from squadron.registry import open_model
from squadron.retrieval import PassageIndex, TextEncoder, find_passages_of_each
from squadron.scores.metrics import exact_match

WEIGHTS = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0)
Choice = Callable[[Sequence[PassageAnswer]], PassageAnswer]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="DATA.json, SQuAD v1.1 or v2.0 layout")
    parser.add_argument("--questions", type=int, default=400, help="so many, drawn once")
    parser.add_argument("--model", default="starter", help="as `squadron ask --model` takes it")
    parser.add_argument("--top-k", type=int, default=10, help="passages to read per question")
    options = parser.parse_args(arguments)

    examples = read_questions(options.data)
    rows = [row for row in examples.to_pylist() if row["answers"]]
    random.Random(1).shuffle(rows)
    rows = rows[: options.questions]
    titles = sorted({row["title"] for row in rows})
    chooses = [row["title"] in titles[::2] for row in rows]
    with tempfile.TemporaryDirectory() as folder, open_model(options.model) as opened:
        index = PassageIndex.open_or_create(folder, TextEncoder())
        index.update(make_documents(examples, has_titles=True))
        reader = opened.load_reader()
        answers = answer_questions(
            [row["question"] for row in rows],
            lambda asked: find_passages_of_each(index, asked, top_k=options.top_k),
            reader,
        )
        gold = reader.read([(row["question"], row["context"]) for row in rows])
    print(f"{len(rows)} questions, {sum(chooses)} of them of the titles that choose")
    print(f"{'the passage with the highest':45} chose  others")
    for name, choose in list_rules().items():
        texts = [choose(answer.read).reading.best_text for answer in answers]
        print_row(name, texts, rows, chooses)
    print_row("the gold passage given", [each.best_text for each in gold], rows, chooses)


def list_rules() -> dict[str, Choice]:
    """Returns what chooses a passage among those that were read, by its name."""
    rules: dict[str, Choice] = {
        "score of the reader": lambda read: max(read, key=lambda each: each.reading.score),
        "score of the reader, three best": lambda read: max(
            read[:3], key=lambda each: each.reading.score
        ),
        "rank of the search": lambda read: read[0],
    }
    for weight in WEIGHTS:
        rules[f"probability x search^{weight:g}"] = lambda read, weight=weight: max(  # type: ignore[misc]
            read, key=lambda each: weigh_passage(each, weight)
        )
    return rules


def print_row(
    name: str, texts: Sequence[str], rows: Sequence[dict[str, object]], chooses: Sequence[bool]
) -> None:
    """Prints the EM of the texts, for the questions that choose and for the others."""
    right = [
        max(exact_match(text, answer["text"]) for answer in row["answers"])  # type: ignore[attr-defined]
        for text, row in zip(texts, rows, strict=True)
    ]
    shown = []
    for part in (True, False):
        some = [hit for hit, choosing in zip(right, chooses, strict=True) if choosing is part]
        shown.append(100 * sum(some) / max(1, len(some)))
    print(f"{name:45} {shown[0]:5.1f}  {shown[1]:6.1f}")


if __name__ == "__main__":
    main()
