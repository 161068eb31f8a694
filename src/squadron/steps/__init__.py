"""The steps of a race, one file per component: settings and paths in, files out.

A step may run twice on the same inputs and leaves one result. Nothing here knows Kubeflow. `STEPS`
lists the steps in their order; tests/contract/test_doors.py says what they may import.
"""

from squadron.runs_folder.kept import CHECKPOINTS_VARIABLE
from squadron.steps._list import STEPS
from squadron.steps.admit import admit
from squadron.steps.answer import answer
from squadron.steps.close_race import close_race
from squadron.steps.evaluate import evaluate
from squadron.steps.featurize import featurize
from squadron.steps.index import index
from squadron.steps.ingest import ingest
from squadron.steps.open_race import open_race
from squadron.steps.passages import passages
from squadron.steps.predict import predict
from squadron.steps.register import register
from squadron.steps.report import report
from squadron.steps.train import train

__all__ = [
    "CHECKPOINTS_VARIABLE",
    "STEPS",
    "admit",
    "answer",
    "close_race",
    "evaluate",
    "featurize",
    "index",
    "ingest",
    "open_race",
    "passages",
    "predict",
    "register",
    "report",
    "train",
]
