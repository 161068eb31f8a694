"""What several steps read or write: the windows of a contender, files in the official layout."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from squadron.artifacts import read_json, written_whole
from squadron.config import Contender

JUDGED = ("tune", "select", "test")
"""The splits that are predicted and scored; the first questions of train besides, if asked for."""


def judged_splits(contender: Contender) -> dict[str, int]:
    """The splits of this contender that are predicted and scored -> how many questions, 0 for all.

    tune comes first: the others are judged by its null threshold.
    """
    splits = dict.fromkeys(JUDGED, 0)
    if contender.predict.train_questions:
        limit = contender.train.max_examples or contender.predict.train_questions
        splits["train"] = min(limit, contender.predict.train_questions)
    return splits


def open_windows(windows: Path, label: str) -> tuple[Path, Any]:
    """(the folder of a contender's windows, their layout)."""
    from squadron.windows import Layout

    keys = read_json(windows / "contenders.json", schema="keys/1")["keys"]
    folder = windows / keys[label]
    fields = read_json(folder / "windows.json", schema="windows/1")["layout"]
    layout: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    return folder, Layout(**layout)


def settle_answer_tokens(contender: Contender, windows: Path) -> Contender:
    """With the longest answer that featurize found, where the contender leaves it to the data."""
    from dataclasses import replace

    from squadron.config import Predict

    if contender.predict.max_answer_tokens:
        return contender
    folder, _ = open_windows(windows, contender.label)
    found = read_json(folder / "windows.json", schema="windows/1")["answer_tokens"]
    # No window of train has an answer: there is nothing to learn it from.
    found = found or Predict().max_answer_tokens
    return replace(contender, predict=replace(contender.predict, max_answer_tokens=found))


def write_official(path: Path, content: Iterable[tuple[str, Any]]) -> None:
    """JSON in the official layout: ids at the top, no schema beside them; one after the other."""
    encode = json.JSONEncoder(ensure_ascii=False).encode
    with written_whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        separator = "{"
        for name, value in content:
            file.write(f"{separator}{encode(name)}: {encode(value)}")
            separator = ", "
        file.write("}" if separator == ", " else "{}")
