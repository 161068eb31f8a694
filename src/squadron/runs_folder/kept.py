"""The folder that a retried step finds again: checkpoints and the outbox lie in it."""

import os
from pathlib import Path

CHECKPOINTS_VARIABLE = "SQUADRON_CHECKPOINTS"


def kept_folder() -> Path:
    """Returns SQUADRON_CHECKPOINTS, or runs/checkpoints below the working directory."""
    return Path(os.environ.get(CHECKPOINTS_VARIABLE) or "runs/checkpoints")
