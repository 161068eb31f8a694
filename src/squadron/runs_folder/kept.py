"""The folder that a step finds again when it is retried; it holds checkpoints and the outbox."""

import os
from pathlib import Path

from squadron.runs_folder.places import CHECKPOINTS, RUNS

CHECKPOINTS_VARIABLE = "SQUADRON_CHECKPOINTS"


def kept_folder() -> Path:
    """Returns SQUADRON_CHECKPOINTS, or runs/checkpoints below the working directory."""
    return Path(os.environ.get(CHECKPOINTS_VARIABLE) or RUNS / CHECKPOINTS)
