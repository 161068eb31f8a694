"""The folder that outlives a step, with the checkpoints and the outboxes of races."""

import os
from pathlib import Path

from squadron.runs_folder.places import CHECKPOINTS, RUNS

CHECKPOINTS_VARIABLE = "SQUADRON_CHECKPOINTS"
"""The environment variable that names the folder."""


def kept_folder() -> Path:
    """Returns SQUADRON_CHECKPOINTS, or runs/checkpoints below the working directory."""
    return Path(os.environ.get(CHECKPOINTS_VARIABLE) or RUNS / CHECKPOINTS)
