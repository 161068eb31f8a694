"""Files that several steps read: the windows of a contender, its splits, its checkpoints."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from squadron.artifacts import read_record
from squadron.config import Contender, Windows
from squadron.data.layout import Layout
from squadron.runs_folder.kept import kept_folder

JUDGED = ("tune", "select", "test")
"""The splits that are always predicted and scored."""
COMPARED = ("select", "test")
"""The splits on which contenders are compared: nothing is settled on them."""


def judged_splits(contender: Contender) -> dict[str, int]:
    """Returns the splits of a contender that are judged, and how many questions of each; 0 is all.

    tune comes first, because the others are judged by its null threshold. The first questions of
    train are judged, too, if the contender asks for it.
    """
    splits = dict.fromkeys(JUDGED, 0)
    if contender.predict.train_questions:
        limit = contender.train.max_examples or contender.predict.train_questions
        splits["train"] = min(limit, contender.predict.train_questions)
    return splits


@dataclass(frozen=True)
class AboutWindows:
    """The content of windows.json."""

    SCHEMA: ClassVar[str] = "windows/1"

    made_from: str
    layout: Layout
    settings: Windows
    counts: dict[str, dict[str, int]]
    """Split -> the counts of `windows.WindowCounts`."""
    answer_tokens: int
    """The length that covers most answers of train; 0 if no window has an answer."""
    figures: dict[str, float]


def read_about_windows(windows: Path) -> AboutWindows:
    """Reads windows.json of the folder that featurize wrote."""
    return read_record(AboutWindows, windows / "windows.json")


def settle_answer_tokens(contender: Contender, windows: Path) -> Contender:
    """Returns the contender with the longest answer of the data, if it leaves that to the data."""
    from dataclasses import replace

    from squadron.config import Predict

    if contender.predict.max_answer_tokens:
        return contender
    found = read_about_windows(windows).answer_tokens
    # Where no window of train has an answer, the default applies.
    found = found or Predict().max_answer_tokens
    return replace(contender, predict=replace(contender.predict, max_answer_tokens=found))


def checkpoint_folder(label: str, made_from: str) -> Path:
    """Names the folder of the checkpoints of one training, where a retried step finds them again.

    Args:
        label: The contender's label.
        made_from: The digest of all that shapes the training, the code included.
    """
    return kept_folder() / f"{label}-{made_from}"
