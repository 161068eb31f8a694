"""Measures how well the cue rules find comparative questions: `measure_question_types.py FILE`.

FILE has the columns source, split, question and label; a question is comparative if its label
is "comparative". The rules were written for the splits train and dev; test is unseen.
"""

import csv
import sys
from collections import defaultdict
from pathlib import Path

from squadron.data.question_types import guess_type, score_types


def main(path: str) -> None:
    """Prints precision and recall by source and by whether the rules were written on the split."""
    groups: dict[str, list[tuple[str, str]]] = defaultdict(list)
    with Path(path).open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            seen = "unseen" if row["split"] == "test" else "seen"
            kind = guess_type(row["question"])
            pair = (kind, "comparative" if row["label"] == "comparative" else "factual")
            for group in (f"{row['source']} {seen}", f"all {seen}"):
                groups[group].append(pair)
    for group, pairs in sorted(groups.items()):
        # The labels have no causal type; a causal question is not comparative.
        found = ["comparative" if kind == "comparative" else "factual" for kind, _ in pairs]
        figures = score_types(found, [wanted for _, wanted in pairs])
        print(
            f"{group:16} {len(pairs):5} questions, {figures['comparative_count']:3.0f} comparative:"
            f" precision {figures['comparative_precision']:.1f},"
            f" recall {figures['comparative_recall']:.1f}, F1 {figures['comparative_f1']:.1f}"
        )


if __name__ == "__main__":
    main(sys.argv[1])
