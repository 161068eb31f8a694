"""The components of Kubeflow, one file for each step: a signature, one import and one call.

launch/placement.py sets the image. Nothing is installed at run time.
"""

from components.admit import admit
from components.answer import answer
from components.close_race import close_race
from components.evaluate import evaluate
from components.featurize import featurize
from components.index import index
from components.ingest import ingest
from components.open_race import open_race
from components.passages import passages
from components.predict import predict
from components.register import register
from components.report import report
from components.train import train

__all__ = [
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
