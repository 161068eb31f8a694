"""What several steps read: the windows of a contender, its splits, its checkpoints."""

from pathlib import Path
from typing import Any

from squadron.artifacts import read_json
from squadron.config import Contender
from squadron.runs_folder.kept import kept_folder

JUDGED = ("tune", "select", "test")
"""The splits that are predicted and scored; the first questions of train besides, if asked for."""
COMPARED = ("select", "test")
"""The splits on which contenders are compared: nothing is settled on them."""


def judged_splits(contender: Contender) -> dict[str, int]:
    """The splits of this contender that are predicted and scored -> how many questions, 0 for all.

    tune comes first: the others are judged by its null threshold.
    """
    splits = dict.fromkeys(JUDGED, 0)
    if contender.predict.train_questions:
        limit = contender.train.max_examples or contender.predict.train_questions
        splits["train"] = min(limit, contender.predict.train_questions)
    return splits


def read_about_windows(windows: Path) -> dict[str, Any]:
    """`windows.json` of the folder that featurize wrote."""
    return read_json(windows / "windows.json", schema="windows/1")


def find_layout(about_windows: dict[str, Any]) -> Any:
    """The `layout.Layout` that `windows.json` holds."""
    from squadron.data.layout import Layout

    fields = about_windows["layout"]
    layout: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    return Layout(**layout)


def settle_answer_tokens(contender: Contender, windows: Path) -> Contender:
    """With the longest answer that featurize found, where the contender leaves it to the data."""
    from dataclasses import replace

    from squadron.config import Predict

    if contender.predict.max_answer_tokens:
        return contender
    found = read_about_windows(windows)["answer_tokens"]
    # No window of train has an answer: there is nothing to learn it from.
    found = found or Predict().max_answer_tokens
    return replace(contender, predict=replace(contender.predict, max_answer_tokens=found))


def checkpoint_folder(label: str, made_from: str) -> Path:
    """The checkpoints of one training, where a retried step finds them again.

    Args:
        label: Of the contender.
        made_from: Digest of all that shapes the training, the code included.
    """
    return kept_folder() / f"{label}-{made_from}"
