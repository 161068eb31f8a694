"""The names of the folders below runs/, in one place.

The launcher creates most of these folders, the steps fill them, and `squadron clean` empties them.
"""

from pathlib import Path

RUNS = Path("runs")
"""The folder of a checkout that holds what its races leave, below the working directory."""
PIPELINE = "pipeline"
"""The outputs of the steps. kfp.local makes a folder in it for each run of the pipeline."""
CACHE = "cache"
"""kfp's cache: one file for each step that has run."""
WORKSPACE = "workspace"
"""The folder that kfp.local offers to steps as a workspace. No step of a race uses it."""
TEMPORARY = "tmp"
"""Temporary files of the steps."""
CHECKPOINTS = "checkpoints"
"""What a step that is tried again finds: the checkpoints of each training, and the outbox."""
OUTBOX = "outbox"
"""A folder in CHECKPOINTS that holds what MLflow has not received yet."""
RACES = "races"
"""A file for each race, which says what the race used of the cache."""
LOG = "pipeline.log"
"""A file with all that the steps and kfp print."""
INDEX = "index"
"""The index of passages that `squadron index` makes and `squadron ask` searches."""
